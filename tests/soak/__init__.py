"""Runs at length against real servers while everything goes wrong, and what is left is counted."""

"""Asking authorizers before functions."""

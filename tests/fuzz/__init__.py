"""Fuzzing: arbitrary requests and results against what must hold for all of them."""

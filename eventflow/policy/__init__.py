"""Decisions as pure functions: what matches, what is retried, when, how much. ``now`` is always an argument."""

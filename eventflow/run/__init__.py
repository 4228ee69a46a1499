"""The composition root: loads adapters, opens them, and runs a plan until it is told to stop."""

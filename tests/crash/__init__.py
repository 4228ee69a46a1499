"""``kill -9`` under load, and what is left. ``python -m tests.crash --rounds 20`` does it and counts."""

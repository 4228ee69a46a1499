"""``python -m tests.soak.kafka --records 200000``: members come, go and die, and so does the broker."""

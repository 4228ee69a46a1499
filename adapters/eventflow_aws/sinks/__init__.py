"""Destinations other than queues and streams."""

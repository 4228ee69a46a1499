"""Provisioning, permissions and inspection of what an app names."""

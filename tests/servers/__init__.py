"""Real servers for tests: installed outside the tree, started on loopback, stopped by their own process id.

``python -m tests.servers install`` installs them, ``tests/servers/fixtures.py`` has the fixtures.
One module per server says how it is installed and started (``catalog.Kind``).
"""

"""``python -m eventflow``."""

from eventflow.cli import main

main()

"""Frozen values: what is declared, what is invoked, what came of it. No input, output or clock."""

"""The decorators: each builds a trigger value and marks the function with it. One source per module."""

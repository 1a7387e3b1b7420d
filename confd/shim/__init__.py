"""The entrypoint shim: one file of standard library code that images copy and run as their entrypoint."""

__all__: list[str] = []

"""The entrypoint shim: standard library code that images run, as one file, before their command.

Nothing is imported here: each start of a container pays for what is.
"""

__all__: list[str] = []

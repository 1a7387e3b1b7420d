"""confd: configuration kept outside the application.

An agent keeps each host's containers equal to what etcd says, by turning one immutable snapshot into one
plan and applying it. Nothing is imported here, so that every program loads only what it uses.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"

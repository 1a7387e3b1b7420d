"""Mappings that nobody changes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["EMPTY", "frozen", "thawed"]

EMPTY: Mapping[Any, Any] = MappingProxyType({})


def frozen(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A read-only view; the caller gives up the mapping."""
    return MappingProxyType(mapping) if isinstance(mapping, dict) else mapping


def thawed(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    """A copy to change. Of a read-only view it is the copy of its dict, which hashes no key again."""
    return mapping.copy() if isinstance(mapping, MappingProxyType) else dict(mapping)

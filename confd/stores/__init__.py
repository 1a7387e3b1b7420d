"""Where settings are kept: `etcd` for real, `memory` for tests and trials. Both satisfy `confd.ports.Store`."""

from __future__ import annotations

__all__: list[str] = []

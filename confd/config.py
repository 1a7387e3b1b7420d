"""Settings of our own programs, parsed once at the edge into frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from confd.errors import Configuration

__all__ = ["EtcdConfig"]


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """How to reach etcd. An endpoint is HOST:PORT, http(s)://HOST:PORT or unix:/ABSOLUTE/PATH."""

    endpoints: tuple[str, ...] = ("127.0.0.1:2379",)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password_file: str | None = None
    prefix: str = "/confd"
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise Configuration("no etcd endpoint is given; use --etcd HOST:PORT")
        if (self.cert is None) != (self.key is None):
            raise Configuration("a client certificate needs its key and the other way round; give both files")
        if (self.user is None) != (self.password_file is None):
            raise Configuration("an etcd user needs a password file and the other way round; give both")

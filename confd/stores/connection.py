"""Channels to etcd's endpoints: deadlines, the next endpoint after a failure, authentication, error translation.

All of gRPC's errors end here: what leaves is a `ConfdError`, or `Compacted` for the watch beside this module.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import etcd3.etcdrpc as rpc
import grpc

from confd.config import EtcdConfig
from confd.errors import ConfdError, Configuration, Refused, StoreFull, TooLarge, Unavailable

__all__ = ["Compacted", "Connection", "translate"]

OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),  # keepalive_timeout_ms alone does nothing
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_http_proxy", 0),
)
OLD_TOKEN = ("invalid auth token", "revision of auth store is old", "user name is empty")


class Compacted(ConfdError):
    """The revision that was asked for is no longer in etcd's history."""

    code = "compacted"


def translate(error: grpc.RpcError) -> ConfdError:
    """The product's error for what etcd or gRPC said."""
    code, words = error.code(), error.details() or ""
    if "compacted" in words:
        return Compacted(words)
    if "request is too large" in words or "too many operations" in words or "larger than max" in words:
        return TooLarge("the change is larger than etcd takes in one request (1.5 MiB); split it")
    if "space exceeded" in words or "NOSPACE" in words:
        return StoreFull(
            "the store is full: compact and defragment etcd, then clear the alarm with `etcdctl alarm disarm`; "
            "reads and deletes still work"
        )
    if code == grpc.StatusCode.PERMISSION_DENIED:
        return Refused(f"etcd does not let this user do that: {words}")
    if "authentication failed" in words:
        return Configuration("etcd refused the user or password; check --etcd-user and --etcd-password-file")
    return Unavailable(f"etcd is out of reach ({code.name.lower()}: {words}); try again")


class Connection:
    """One channel per endpoint, made on first use; `call` tries the next endpoint where that is safe."""

    def __init__(self, config: EtcdConfig) -> None:
        self._config = config
        self._channels: dict[int, Any] = {}
        self._at = 0
        self._token: str | None = None
        self._lock = threading.Lock()

    def call(self, service: str, method: str, request: Any, *, again: bool = True) -> Any:
        """One unary call with a deadline. `again`: it may be sent once more, to the next endpoint."""
        tries = len(self._config.endpoints) + 1 if again else 1
        for left in range(tries - 1, -1, -1):
            at = self._at
            try:
                return self._unary(service, method, request)
            except grpc.RpcError as exc:
                error = translate(exc)
                if not isinstance(error, Unavailable) or left == 0:
                    raise error from exc
                self.next_endpoint(at)
        raise Unavailable("etcd has no endpoint")

    def _unary(self, service: str, method: str, request: Any) -> Any:
        call = getattr(getattr(rpc, f"{service}Stub")(self.channel()), method)
        try:
            return call(request, timeout=self._config.timeout_s, metadata=self.metadata())
        except grpc.RpcError as exc:
            if not self.forget_token(exc):
                raise
            return call(request, timeout=self._config.timeout_s, metadata=self.metadata())

    def channel(self) -> Any:
        with self._lock:
            if self._at not in self._channels:
                self._channels[self._at] = self._open(self._config.endpoints[self._at])
            return self._channels[self._at]

    @property
    def at(self) -> int:
        """The endpoint in use, to be given to `next_endpoint`."""
        return self._at

    def next_endpoint(self, failed: int) -> None:
        """Go on to the next endpoint, unless somebody has done so meanwhile."""
        with self._lock:
            if self._at == failed:
                self._at = (failed + 1) % len(self._config.endpoints)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The token's metadata, authenticating first where there is a user and no token yet."""
        if not self._config.user:
            return ()
        if self._token is None:
            request = rpc.AuthenticateRequest(name=self._config.user, password=self._password())
            self._token = rpc.AuthStub(self.channel()).Authenticate(request, timeout=self._config.timeout_s).token
        return (("token", self._token),)

    def forget_token(self, error: grpc.RpcError) -> bool:
        """Whether the error says that the token is no longer good; the next call makes a new one."""
        if not self._config.user or not any(words in (error.details() or "") for words in OLD_TOKEN):
            return False
        self._token = None
        return True

    def close(self) -> None:
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _password(self) -> str:
        path = Path(self._config.password_file or "")
        try:
            return path.read_text("utf-8").strip()
        except OSError as exc:
            raise Configuration(f"cannot read the etcd password in {path}: {exc.strerror}") from exc

    def _open(self, endpoint: str) -> Any:
        scheme, slashes, rest = endpoint.partition("://")
        target = rest if slashes else endpoint
        if scheme == "https" or self._config.ca:
            return grpc.secure_channel(target, self._credentials(), OPTIONS)
        return grpc.insecure_channel(target, OPTIONS)

    def _credentials(self) -> Any:
        def read(path: str | None) -> bytes | None:
            try:
                return Path(path).read_bytes() if path else None
            except OSError as exc:
                raise Configuration(f"cannot read {path}: {exc.strerror}") from exc

        config = self._config
        return grpc.ssl_channel_credentials(read(config.ca), read(config.key), read(config.cert))

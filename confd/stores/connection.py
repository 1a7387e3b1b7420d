"""Channels to etcd's endpoints: deadlines, the next endpoint after a failure, authentication, error translation.

All of gRPC's errors end here: what leaves is a `ConfdError`, or `Compacted` for the watch beside this module.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, TypeAlias

import etcd3.etcdrpc as rpc
import grpc

from confd.config import EtcdConfig
from confd.errors import ConfdError, Configuration, Conflict, Refused, StoreFull, TooLarge, Unavailable

__all__ = ["Compacted", "Connection", "WentBack", "translate"]

logger = logging.getLogger(__name__)

Metadata: TypeAlias = tuple[tuple[str, str], ...]

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
NEVER_SENT = "failed to connect"
OLD_TOKEN = ("invalid auth token", "revision of auth store is old", "user name is empty")


class Compacted(ConfdError):
    """The revision that was asked for is not, or no longer, in etcd's history."""

    code = "compacted"


class WentBack(Compacted):
    """The revision that was asked for lies in the future: the store is older than it was, as a restored backup."""


TABLE: tuple[tuple[tuple[str, ...], type[ConfdError], str], ...] = (
    (("compacted",), Compacted, "history was compacted"),
    (("future revision",), WentBack, "the store went back to an older revision, as a restored backup does"),
    (
        ("request is too large", "too many operations", "larger than max"),
        TooLarge,
        "the change is larger than etcd takes in one request (1.5 MiB); split it",
    ),
    (
        ("space exceeded", "NOSPACE"),
        StoreFull,
        "the store is full: compact and defragment etcd, then clear the alarm with `etcdctl alarm disarm`; "
        "reads and deletes still work",
    ),
    (("lease not found",), Conflict, "the lease behind this write has ended; take a new one and try again"),
    (("permission denied",), Refused, "etcd does not let this user do that; grant its role the prefix"),
    (
        ("authentication failed",),
        Configuration,
        "etcd refused the user or password; check --etcd-user and --etcd-password-file",
    ),
)
"""etcd's words -> what they mean to us; whatever is not here is `Unavailable`."""


def translate(error: grpc.RpcError) -> ConfdError:
    """The product's error for what etcd or gRPC said."""
    words = error.details() or ""
    for parts, kind, detail in TABLE:
        if any(part in words for part in parts):
            return kind(detail)
    return Unavailable(f"etcd is out of reach ({error.code().name.lower()}: {words}); try again")


class Connection:
    """One channel per endpoint, made on first use; `call` tries the next endpoint where that is safe."""

    def __init__(self, config: EtcdConfig) -> None:
        self._config = config
        self._channels: dict[int, Any] = {}
        self._at = 0
        self._token: str | None = None
        self._lock = threading.Lock()
        self._authenticating = threading.Lock()
        self._closed = threading.Event()

    @property
    def closed(self) -> threading.Event:
        """Set once nothing more is to be had from here."""
        return self._closed

    def call(self, service: str, method: str, request: Any, *, again: bool = True) -> Any:
        """One unary call with a deadline; one that never left is made again, on the next endpoint.

        `again`: it does no harm twice, so one that may have arrived is made again too.
        """
        for left in range(len(self._config.endpoints), -1, -1):
            at = self._at
            try:
                return self._unary(service, method, request)
            except grpc.RpcError as exc:
                error = translate(exc)
                if not isinstance(error, Unavailable):
                    raise error from exc
                self.next_endpoint(at)
                if left == 0 or not (again or NEVER_SENT in (exc.details() or "")):
                    raise error from exc
        raise Unavailable("etcd has no endpoint")

    def _unary(self, service: str, method: str, request: Any) -> Any:
        metadata = self.metadata()
        try:
            return self._send(service, method, request, metadata)
        except grpc.RpcError as exc:
            if not self.forget_token(exc.details() or "", metadata):
                raise
        return self._send(service, method, request, self.metadata())

    def _send(self, service: str, method: str, request: Any, metadata: Metadata) -> Any:
        call = getattr(getattr(rpc, f"{service}Stub")(self.channel()), method)
        try:
            return call(request, timeout=self._config.timeout_s, metadata=metadata)
        except ValueError as exc:  # the channel was closed in between
            raise Unavailable("the store is closed") from exc

    def channel(self) -> Any:
        with self._lock:
            if self._closed.is_set():
                raise Unavailable("the store is closed")
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

    def metadata(self) -> Metadata:
        """The token's metadata, authenticating first where there is a user and no token yet."""
        if not self._config.user:
            return ()
        with self._authenticating:
            if self._token is None:
                request = rpc.AuthenticateRequest(name=self._config.user, password=self._password())
                answer = rpc.AuthStub(self.channel()).Authenticate(request, timeout=self._config.timeout_s)
                self._token = str(answer.token)
            return (("token", self._token),)

    def forget_token(self, words: str, metadata: Metadata) -> bool:
        """Whether etcd's words say that this token is no longer good; the next call makes a new one."""
        if not metadata or not any(old in words for old in OLD_TOKEN):
            return False
        with self._authenticating:
            if metadata == (("token", self._token),):  # else somebody was faster
                logger.info("etcd no longer takes our token; authenticating again")
                self._token = None
        return True

    def close(self) -> None:
        with self._lock:
            self._closed.set()
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

"""Calls to etcd: one channel per endpoint, deadlines, fail-over, authentication, and the table of errors.

Tokens travel in metadata only, so that plaintext channels work too. A call refused for its token was not
carried out, so it is made once more with a new one. A write is tried on another endpoint only when the first
was never reached.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import etcd3.etcdrpc as rpc
import grpc

from confd.config import EtcdConfig
from confd.errors import ConfdError, Configuration, Conflict, Refused, StoreFull, TooLarge, Unavailable

__all__ = ["MAX_REQUEST_BYTES", "Calls", "is_token_refusal", "translate"]

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 1_500_000
_OPTIONS = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.enable_http_proxy", 0),
]
_TOKEN_REFUSALS = ("invalid auth token", "revision of auth store is old", "user name is empty")
_REMEDY = "compact and defragment etcd, then run `etcdctl alarm disarm`; reads and deletes still work"


def is_token_refusal(text: str) -> bool:
    """Whether etcd's message says that the token is old, so that a new one may help."""
    return any(part in text for part in _TOKEN_REFUSALS)


def translate(exc: grpc.RpcError) -> ConfdError:
    """What an error of gRPC or etcd means to us."""
    code, text = exc.code(), exc.details() or ""
    if "database space exceeded" in text:
        return StoreFull(f"etcd is full (store full) and takes no writes: {_REMEDY}")
    if "request is too large" in text or "larger than max" in text:
        return TooLarge(f"etcd refuses this write as too large; its limit is {MAX_REQUEST_BYTES} bytes")
    if "too many operations" in text:
        return TooLarge("etcd refuses this write: too many operations at once")
    if "lease not found" in text:
        return Conflict("the lease behind this write has ended; take a new one")
    if "required revision has been compacted" in text:
        return Unavailable("etcd compacted the revision while it was read; try again")
    if code == grpc.StatusCode.PERMISSION_DENIED:
        return Refused("etcd does not grant this to our user; grant its role the prefix")
    if code == grpc.StatusCode.UNAUTHENTICATED or "authentication failed" in text or is_token_refusal(text):
        return Unavailable(f"etcd does not accept our user: {text}; check the user and its password file")
    return Unavailable(f"etcd is out of reach: {code.name.lower()}: {text[:200]}")


class Calls:
    """Channels and the token, shared by calls, leases and watches. Safe for several threads."""

    def __init__(self, config: EtcdConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._authenticating = threading.Lock()
        self._channels: dict[str, grpc.Channel] = {}
        self._index = 0
        self._token: str | None = None
        self._closed = False

    @property
    def index(self) -> int:
        """Which endpoint calls begin with; it moves on after a failure."""
        return self._index

    def channel(self, index: int) -> grpc.Channel:
        endpoint = self.config.endpoints[index % len(self.config.endpoints)]
        with self._lock:
            if self._closed:
                raise Unavailable("the store is closed")
            if endpoint not in self._channels:
                self._channels[endpoint] = _open(endpoint, self.config)
            return self._channels[endpoint]

    def next_endpoint(self, failed: int) -> None:
        with self._lock:
            if self._index == failed:
                self._index = failed + 1

    def metadata(self, index: int) -> list[tuple[str, str]]:
        """The token as metadata; authenticates first where that was not done yet. Raises `grpc.RpcError`."""
        if self.config.user is None:
            return []
        with self._authenticating:
            if self._token is None:
                self._token = self._authenticate(index)
            return [("token", self._token)]

    def forget_token(self, metadata: list[tuple[str, str]]) -> None:
        """The token in this metadata was refused; the next call gets a new one."""
        with self._authenticating:
            if self._token is not None and ("token", self._token) in metadata:
                logger.info("etcd no longer accepts our token; authenticating again")
                self._token = None

    def unary(self, method: Callable[[grpc.Channel], Any], request: Any, *, safe: bool) -> Any:
        """Make a call with its deadline. `safe`: doing it twice does no harm, so any endpoint may be tried."""
        index = self.index
        last: grpc.RpcError | None = None
        for _ in range(len(self.config.endpoints)):
            try:
                return self._with_token(method, request, index)
            except grpc.RpcError as exc:
                if not _is_away(exc):
                    raise translate(exc) from exc
                last = exc
                self.next_endpoint(index)
                index += 1
                if not (safe or _never_sent(exc)):
                    break
        assert last is not None  # noqa: S101  there is at least one endpoint
        raise translate(last) from last

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            channel.close()

    def _with_token(self, method: Callable[[grpc.Channel], Any], request: Any, index: int) -> Any:
        channel = self.channel(index)
        metadata = self.metadata(index)
        try:
            return self._send(method, channel, request, metadata)
        except grpc.RpcError as exc:
            if not metadata or not is_token_refusal(exc.details() or ""):
                raise
            self.forget_token(metadata)
        return self._send(method, channel, request, self.metadata(index))

    def _send(self, method: Any, channel: grpc.Channel, request: Any, metadata: list[tuple[str, str]]) -> Any:
        try:
            return method(channel)(request, timeout=self.config.timeout_s, metadata=metadata)
        except ValueError as exc:  # the channel was closed by `close`
            raise Unavailable("the store is closed") from exc

    def _authenticate(self, index: int) -> str:
        path = Path(self.config.password_file or "")
        try:
            password = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise Configuration(f"the etcd password file {path} cannot be read: {exc}") from exc
        request = rpc.AuthenticateRequest(name=self.config.user, password=password)
        answer = rpc.AuthStub(self.channel(index)).Authenticate(request, timeout=self.config.timeout_s)
        return str(answer.token)


def _is_away(exc: grpc.RpcError) -> bool:
    """Whether the endpoint, and not the request, is the trouble."""
    return exc.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    )


def _never_sent(exc: grpc.RpcError) -> bool:
    return exc.code() == grpc.StatusCode.UNAVAILABLE and "failed to connect" in (exc.details() or "")


def _open(endpoint: str, config: EtcdConfig) -> grpc.Channel:
    if endpoint.startswith(("unix:", "unix://")):
        return grpc.insecure_channel("unix:" + endpoint.removeprefix("unix:").removeprefix("//"), options=_OPTIONS)
    address = endpoint.removeprefix("http://").removeprefix("https://").rstrip("/")
    if endpoint.startswith("http://") or (config.ca is None and not endpoint.startswith("https://")):
        return grpc.insecure_channel(address, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(*(_bytes(name) for name in (config.ca, config.key, config.cert)))
    return grpc.secure_channel(address, credentials, options=_OPTIONS)


def _bytes(name: str | None) -> bytes | None:
    try:
        return Path(name).read_bytes() if name else None
    except OSError as exc:
        raise Configuration(f"the file {name} of the etcd connection cannot be read: {exc}") from exc

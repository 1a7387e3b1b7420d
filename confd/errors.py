"""The tree of errors that cross module borders.

    ConfdError
    ├── Malformed            400  65   input that does not parse, or a name outside the grammar
    ├── Unauthenticated      401  77   no token, or an unknown one
    ├── Refused              403  77   understood, and not allowed
    ├── NotFound             404  66
    ├── Conflict             409  75   somebody else was faster; try again
    │   ├── Stale            412  75   If-Match names an older state
    │   └── Outdated         409  75   a proposal that no longer fits what is there, or is decided
    ├── NeedsYes             409  77   reaches further than one asks for without `yes`
    ├── Shrinks              409  77   takes many keys away without `force`
    ├── Owned                409  77   a key belongs to another manifest; taken over with `force`
    ├── TooLarge             413  65
    ├── Invalid              422  65   well-formed, and against a rule
    ├── Unavailable          503  69   the store (or the server) is out of reach; try again
    ├── StoreFull            507  69   etcd takes no more writes
    ├── Configuration        500  78   flags, files or variables of our own programs
    ├── Held                 409  75   a brake came on in the middle of a plan
    └── TargetError          502  69   what the container engine answered
        ├── EngineRefused              the engine refused the call: trying again changes nothing
        ├── EngineUnavailable          the engine is out of reach; try again
        ├── StartFailed                the container did not start or did not stay up; `log` has its last lines
        ├── NotReady                   the process does not catch the signal (yet): it would die of it or miss it
        └── ContainerGone              the container is no longer there: plan again

Each class carries its stable `code`, HTTP `status`, `exit_code` and whether a later try may succeed
(`retryable`). A message says what, which key, and what to do next; it never holds a value.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ConfdError",
    "Configuration",
    "Conflict",
    "ContainerGone",
    "EngineRefused",
    "EngineUnavailable",
    "Held",
    "Invalid",
    "Malformed",
    "NeedsYes",
    "NotFound",
    "NotReady",
    "Outdated",
    "Owned",
    "Refused",
    "Shrinks",
    "Stale",
    "StartFailed",
    "StoreFull",
    "TargetError",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
]


class ConfdError(Exception):
    """Base of the tree. `detail` is the sentence for a person, `pointer` a JSON pointer into the input."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 70
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


class Malformed(ConfdError):
    """Input that does not parse, or a name outside the grammar."""

    code = "malformed"
    status = 400
    exit_code = 65


class Unauthenticated(ConfdError):
    """No token was given, or one that is unknown."""

    code = "unauthenticated"
    status = 401
    exit_code = 77


class Refused(ConfdError):
    """Understood, and not allowed."""

    code = "refused"
    status = 403
    exit_code = 77


class NotFound(ConfdError):
    """What was asked for does not exist."""

    code = "not-found"
    status = 404
    exit_code = 66


class Conflict(ConfdError):
    """Somebody else wrote in between; the same request may succeed when tried again."""

    code = "conflict"
    status = 409
    exit_code = 75
    retryable = True


class Stale(Conflict):
    """`If-Match` names a state that is no longer the current one."""

    code = "stale"
    status = 412
    retryable = False


class Outdated(Conflict):
    """A proposal is decided already, or what it touches was changed since it was made."""

    code = "outdated"
    retryable = False


class NeedsYes(ConfdError):
    """The write reaches more than one app or more than ten containers and was not confirmed."""

    code = "needs-yes"
    status = 409
    exit_code = 77


class Shrinks(ConfdError):
    """The write takes away more than a third of an app's keys, or all of them, and was not forced."""

    code = "shrinks"
    status = 409
    exit_code = 77


class Owned(ConfdError):
    """The manifest names keys that belong to another one, and was not forced."""

    code = "owned"
    status = 409
    exit_code = 77


class TooLarge(ConfdError):
    """More than the store takes; the message gives the size and the limit."""

    code = "too-large"
    status = 413
    exit_code = 65


class Invalid(ConfdError):
    """Well-formed, and against a rule: a schema, a grammar of a run option, a name that collides."""

    code = "invalid"
    status = 422
    exit_code = 65


class Unavailable(ConfdError):
    """The store, or for a client the server, is out of reach."""

    code = "unavailable"
    status = 503
    exit_code = 69
    retryable = True


class StoreFull(ConfdError):
    """etcd has raised its space alarm: reads and deletes work, writes do not until it is cleared."""

    code = "store-full"
    status = 507
    exit_code = 69
    retryable = True


class Configuration(ConfdError):
    """A flag, file or variable of one of our own programs is wrong."""

    code = "configuration"
    status = 500
    exit_code = 78


class Held(ConfdError):
    """A brake came on before the next step of a plan; it is planned anew once that is off."""

    code = "held"
    status = 409
    exit_code = 75
    retryable = True


class TargetError(ConfdError):
    """What the container engine answered; `detail` holds its text."""

    code = "engine"
    status = 502
    exit_code = 69


class EngineRefused(TargetError):
    """The engine refused the call; the same call will be refused again."""

    code = "engine-refused"


class EngineUnavailable(TargetError):
    """The engine is out of reach or restarting."""

    code = "engine-unavailable"
    retryable = True


class ContainerGone(TargetError):
    """The container is no longer there; a new pass plans without it."""

    code = "container-gone"
    retryable = True


class StartFailed(EngineRefused):
    """The container did not start, or did not stay up. `log` holds the last lines of its output.

    `successor` is the container that has its place now, where that is another than before.
    """

    code = "start-failed"

    def __init__(self, detail: str, *, log: str = "", successor: str = "") -> None:
        super().__init__(detail)
        self.log = log
        self.successor = successor


class CommandFailed(EngineRefused):
    """A command inside a container failed, or took too long. `log` holds the last lines of its output."""

    code = "command-failed"

    def __init__(self, detail: str, *, log: str = "") -> None:
        super().__init__(detail)
        self.log = log


class CheckFailed(CommandFailed):
    """A check did not agree to a file, so that nothing was changed. `log` holds the last lines of its output."""

    code = "check-failed"


class NotReady(TargetError):
    """The process does not catch the signal (yet), or a command asks to be skipped for now; it is tried again."""

    code = "not-ready"
    retryable = True

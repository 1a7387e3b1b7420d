"""What the API says that the child is due."""

from __future__ import annotations

from confd.shim.told import FetchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Variables = Mapping[str, str | None]

__all__ = ["Settings", "parse_settings"]


class Settings:
    """What one answer said: the revision to go on from, the variables, and whether fewer of them are meant.

    The digest is left alone: it also covers what is the agent's to do, and the child is due only its variables.
    """

    __slots__ = ("allow_shrink", "revision", "variables")

    def __init__(self, revision: int, variables: Variables, *, allow_shrink: bool = True) -> None:
        self.revision, self.variables, self.allow_shrink = revision, variables, allow_shrink

    def lost(self, before: Settings) -> str:
        """How much has gone since, in words; empty where it is meant, or no more than a third."""
        was, now = before.names(), self.names()
        gone = len(was - now)
        if self.allow_shrink or not gone or not (gone == len(was) or (gone > 1 and 3 * gone > len(was))):
            return ""
        return f"{gone} of {len(was)} variables are suddenly gone, without any change"

    def names(self) -> set[str]:
        """The variables that are set."""
        return {name for name, text in self.variables.items() if text is not None}


def parse_settings(body: bytes) -> Settings:
    """The settings of an answer's body. Raises FetchError, which names a variable but no value."""
    import json

    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchError("the answer is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("variables"), dict):
        raise FetchError("the answer holds no variables")
    variables: dict[str, str | None] = {}
    for name, value in answer["variables"].items():
        if not name or "=" in name or not _passable(name) or not (value is None or _passable(value)):
            raise FetchError(f"the answer holds a variable that no process can be given: {name!r}")
        variables[name] = value
    revision = answer.get("revision")
    meant = answer.get("allow_shrink") is not False
    return Settings(revision if isinstance(revision, int) else 0, variables, allow_shrink=meant)


def _passable(text: object) -> bool:
    if not isinstance(text, str) or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

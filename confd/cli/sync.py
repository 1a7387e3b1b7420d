"""`confctl sync`: the layer of an app kept equal to the files of a directory."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from confd.cli.folder import Folder, Signature, Unsteady, read_folder, signature
from confd.cli.output import cell, say
from confd.cli.scope import Common, common_options
from confd.cli.watching import QUIET_S, Watcher
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options
from confd.client import Client, Document, Edit, Scope, integer
from confd.errors import ConfdError, Invalid, Malformed, Shrinks, Stale
from confd.jsontext import Value, dump
from confd.wording import counted

__all__ = ["sync_command"]

LOOK_S = 2.0
"""So often the directory is looked at, whatever the kernel tells of it."""
STORE_S = 10.0
"""So often the layer is looked at, whatever the server tells of it."""
GONE_S = 1.0
"""A file that is gone may be one that an editor is about to put back."""
LONGEST_PAUSE_S = 30.0
SET_BACKS, SET_BACK_S = 3, 60.0
"""So often in so long what others changed is set back: two that each hold their own would go on for ever."""
STEP_S = 0.1
NAMED = 10


@click.command("sync", cls=WaitCommand)
@click.argument("app")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--once", is_flag=True, help="Make it equal once, and exit.")
@settings_options
@common_options
def sync_command(common: Common, app: str, folder: Path, once: bool, **flags: Any) -> None:
    """Keep the layer of APP equal to the files of a directory.

    Each file is settings in the format that its name tells: .env, .yaml, .json, .toml, .properties, .ini, .xml.
    Together they are the layer: what no file names is unset, and what others change in it is set back. Secrets stay
    as they are. A key of two files is an error. Hidden files, files of other names and folders are passed over.

    It follows the directory until it is stopped (SIGTERM, Ctrl-C), and says each change. Files that cannot be read,
    a directory that is gone, and a server out of reach change nothing until that is mended. An empty directory, or
    one that takes more than a third of the keys away, needs --force. --wait needs --once.

    \b
    Examples:
      confctl sync web ./config -e dev --once --dry-run
      confctl sync web /etc/web -e prod --yes
    """
    writing, scope, client = Writing(**flags), common.scope(app), common.client()
    if once or writing.dry_run:
        _once(common, client, scope, folder, writing)
        return
    if writing.wait:
        raise click.UsageError("--wait needs --once: a sync goes on.")
    stop = threading.Event()
    sync = _Sync(client, scope, folder, writing.edit(), stop)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sync.stop())
    sync.run()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What makes a layer equal to a directory; empty where it is so already."""

    set: Mapping[str, Value]
    unset: Sequence[str]
    tag: str

    def __bool__(self) -> bool:
        return bool(self.set or self.unset)


def _wanted(client: Client, scope: Scope, folder: Folder, force: bool) -> _Wanted:
    """Raises `Invalid` for a secret that a file names, `Shrinks` for a directory without any setting."""
    document, tag = client.own(scope)
    own = document["settings"]
    secret = sorted(key for key, one in own.items() if one["secret"] and key in folder.settings)
    if secret:
        raise Invalid(f"{', '.join(secret)}: a secret of the store; take it out of the files, or unset it there")
    there = {key: dump(one["value"]) for key, one in own.items() if not one["secret"]}
    if there and not folder.settings and not force:
        raise Shrinks(
            f"the directory gives no setting, and the layer has {counted(len(there), 'key')}; nothing was stored. "
            "If it is meant, say so with --force"
        )
    changed = {key: value for key, value in folder.settings.items() if there.get(key) != dump(value)}
    return _Wanted(changed, [key for key in there if key not in folder.settings], tag)


def _once(common: Common, client: Client, scope: Scope, folder: Path, writing: Writing) -> None:
    found = _steady(folder)
    _say_about(found)
    wanted = _wanted(client, scope, found, writing.force)

    def send(to: Client, edit: Edit) -> Document:
        return to.change(scope, replace(edit, if_match=wanted.tag))

    carry_out(common, scope, writing, send, set=wanted.set, unset=wanted.unset)


def _steady(folder: Path) -> Folder:
    """The directory as soon as it rests. Raises `Malformed`."""
    for _ in range(20):
        try:
            return read_folder(folder)[0]
        except Unsteady:
            time.sleep(QUIET_S)
    raise Malformed(f"{folder} changes all the time; try again when it rests")


def _say_about(folder: Folder) -> None:
    for warning in folder.warnings:
        say(cell(warning))
    if folder.passed_over:
        say(f"passed over, since the name tells no format: {', '.join(map(cell, folder.passed_over))}")


@dataclass(slots=True)
class _Seen:
    """What was found last, and when."""

    signature: Signature | None = None
    names: frozenset[str] = frozenset()
    settings: Mapping[str, Value] | None = None
    passed_over: Sequence[str] = ()
    gone_at: float | None = None
    store_at: float = 0.0
    failures: int = 0
    set_back: deque[float] = field(default_factory=lambda: deque(maxlen=SET_BACKS))
    told: dict[str, str] = field(default_factory=dict)


class _Sync:
    """Passes over the directory and the layer, each when something has happened or it is time again.

    A pass gives how long to wait for the next one at most. Whatever a pass meets, the next one begins anew.
    """

    def __init__(self, client: Client, scope: Scope, folder: Path, edit: Edit, stop: threading.Event) -> None:
        self._client, self._scope, self._folder, self._edit, self._stop = client, scope, folder, edit, stop
        self._wake, self._moved = threading.Event(), threading.Event()
        self._watcher = Watcher(folder, self._wake)
        self._seen = _Seen()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        threading.Thread(target=self._follow_store, daemon=True).start()
        try:
            while not self._stop.is_set():
                self._wake.clear()
                self._watcher.follow()
                self._watcher.settle(self._stop)
                self._wake.wait(0 if self._stop.is_set() else self._pass())
        finally:
            self._watcher.stop()
        say("stopped; the layer stays as it is")

    def _follow_store(self) -> None:
        """Wake when the effective settings change. What that does not show, the look now and then finds."""
        revision = 0
        while not self._stop.is_set():
            try:
                config = self._client.next_config(self._scope, revision)
            except ConfdError:
                self._stop.wait(LOOK_S)
                continue
            if config is not None:
                revision = integer(config["revision"])
                self._moved.set()
                self._wake.set()
                self._stop.wait(QUIET_S)

    def _tell(self, about: str, words: str) -> None:
        """Say something once, as long as it is so."""
        if words and self._seen.told.get(about) != words:
            say(cell(words))
        self._seen.told[about] = words

    def _pass(self) -> float:
        seen, now = self._seen, time.monotonic()
        try:
            there = signature(self._folder)
        except OSError as error:
            self._tell("files", f"{self._folder}: {error.strerror}; the layer stays as it is until it is back")
            seen.signature = None
            return LOOK_S
        if there == seen.signature and not self._moved.is_set() and now < seen.store_at + STORE_S:
            return LOOK_S
        if self._waits_for_gone(there, now):
            return QUIET_S
        try:
            folder, seen.signature = read_folder(self._folder)
        except Unsteady:
            return QUIET_S
        except ConfdError as error:
            self._tell("files", f"{error.detail}; the layer stays as it is until that is mended")
            return LOOK_S
        self._tell("files", "")
        if seen.settings is None or folder.passed_over != seen.passed_over:
            _say_about(folder)
        seen.names, seen.passed_over = folder.names, folder.passed_over
        return self._bring(folder)

    def _waits_for_gone(self, there: Signature, now: float) -> bool:
        """Whether a file has only just gone."""
        if self._seen.names <= there.keys():
            self._seen.gone_at = None
            return False
        self._seen.gone_at = self._seen.gone_at or now
        return now - self._seen.gone_at < GONE_S

    def _bring(self, folder: Folder) -> float:
        self._moved.clear()
        try:
            pause = self._store(folder)
        except Stale:
            self._moved.set()
            return STEP_S
        except ConfdError as error:
            self._seen.store_at = time.monotonic()
            self._tell("store", f"{error.detail}; it is tried again")
            if not error.retryable:
                return LOOK_S
            self._seen.failures += 1
            self._moved.set()
            return min(2.0 ** min(self._seen.failures, 10) / 2, LONGEST_PAUSE_S)
        self._tell("store", "")
        self._seen.failures = 0
        return pause

    def _store(self, folder: Folder) -> float:
        """Make the layer equal to the directory; the time until the next pass."""
        seen, now = self._seen, time.monotonic()
        wanted = _wanted(self._client, self._scope, folder, self._edit.force)
        again = folder.settings == seen.settings
        if wanted and again and len(seen.set_back) == SET_BACKS and now < seen.set_back[0] + SET_BACK_S:
            self._tell("fight", "others go on changing the layer; it is set back again in a while")
            self._moved.set()
            return min(seen.set_back[0] + SET_BACK_S - now, LOOK_S)
        if wanted:
            why = "set back to the files" if again else "as the files say"
            message = self._edit.message or f"sync: {why}"
            edit = replace(self._edit, set=wanted.set, unset=wanted.unset, message=message, if_match=wanted.tag)
            done = self._client.change(self._scope, edit)
            if again:
                seen.set_back.append(now)
            self._say(done, "changed by others, set back" if again else "stored")
        if seen.settings is None:
            say(f"{self._where}: equal to the {counted(len(folder.names), 'file')} of {self._folder}; following it")
        self._tell("fight", "")
        seen.settings, seen.store_at = folder.settings, time.monotonic()
        return LOOK_S

    @property
    def _where(self) -> str:
        host = f" on host {self._scope.host}" if self._scope.host else ""
        return f"{self._scope.app} in env {self._scope.env}{host}"

    def _say(self, done: Document, what: str) -> None:
        """A change by its keys; their values are nobody's business here."""
        signs = {"add": "+", "remove": "-", "change": "~"}
        keys = [f"{signs[one['action']]}{cell(one['key'])}" for one in done["diff"]]
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        say(f"{self._where}: {what} (change {integer(done['change'])}): {' '.join(keys[:NAMED])}{more}")
        for warning in done["warnings"]:
            say(f"warning: {cell(warning)}")

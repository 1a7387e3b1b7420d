"""`confctl edit`: the layer of an app in an editor, checked by the server, shown and asked for."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from confd.cli.editing import FORMATS, Layer, body_of, edits, rebased, text_of, told, values_of
from confd.cli.output import say
from confd.cli.scope import Common, common_options
from confd.cli.writing import NAMED, WaitCommand, Writing, finish, say_reach, settings_options, show_diff
from confd.client import Client, Document, Scope, integer
from confd.errors import ConfdError, Configuration, Invalid, Malformed, NeedsYes, Refused, Stale, TooLarge
from confd.jsontext import Value
from confd.secret import MASK

__all__ = ["edit_command"]

MENDABLE = (Malformed, Invalid, Refused, TooLarge)
"""What another look at the text may mend."""
UNATTENDED = 3
"""So often an editor without a terminal is opened: it may do the same wrong thing for ever."""


@click.command("edit", cls=WaitCommand)
@click.argument("app")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="yaml", show_default=True)
@settings_options
@common_options
def edit_command(common: Common, app: str, form: str, **flags: Any) -> None:
    """Edit the layer of APP in $VISUAL or $EDITOR.

    The text is one mapping of keys and values. A key that is taken out is unset; a secret is shown as a mask, which
    means that it stays as it is. What is saved is checked by the server, shown, and asked for before it is stored
    (--yes: stored without asking). What is wrong is shown above the text, which is opened again; so is what others
    changed meanwhile. A text that could not be stored is kept in a file.

    \b
    Examples:
      confctl edit web -e dev
      EDITOR='code --wait' confctl edit web -e prod --host h1
    """
    writing, scope = Writing(**flags), common.scope(app)
    if not (writing.yes or writing.dry_run or _is_attended()):
        raise click.UsageError("There is no terminal to ask on: confirm with --yes, or look with --dry-run.")
    editor, client = _editor(), common.client()
    folder = Path(tempfile.mkdtemp(prefix="confctl-edit-"))
    session = _Session(client, scope, writing, [*editor, str(folder / f"{scope.app}.{scope.env}.{form}")])
    kept = f"your text is kept in {session.path}"
    try:
        done = session.run(form)
        session.is_edited = False
    except ConfdError as error:
        if not session.is_edited:
            raise
        raise type(error)(f"{error.detail}; {kept}", pointer=error.pointer) from error
    except BaseException:
        if session.is_edited:
            say(kept)
        raise
    finally:
        if not session.is_edited:
            shutil.rmtree(folder)
    if done is None:
        say("nothing changed, and nothing was stored")
        return
    finish(client, scope, done, writing, common.output)


def _is_attended() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _editor() -> Sequence[str]:
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(named)
    except ValueError as error:
        raise click.UsageError(f"VISUAL or EDITOR is no command: {named}") from error
    if not words or shutil.which(words[0]) is None:
        raise click.UsageError(f"There is no editor {named!r}; name one with VISUAL or EDITOR.")
    return words


class _Session:
    """One text that goes to the editor and back until it is stored, or given up.

    `is_edited`: the file at `path` has what somebody wrote, and what is stored nowhere else.
    """

    def __init__(self, client: Client, scope: Scope, writing: Writing, command: Sequence[str]) -> None:
        self._client, self._scope, self._writing, self._command = client, scope, writing, command
        self.path = Path(command[-1])
        self.is_edited = False

    def run(self, form: str) -> Document | None:
        """What the server answered; None where nothing was changed."""
        base = self._layer()
        body = FORMATS[form](base.values) + "\n" if base.values else ""
        notes: Sequence[str] = ()
        problem: ConfdError | None = None
        turn = 0
        while True:
            turn += 1
            text = self._opened(text_of([*base.words, *notes], body))
            if problem is not None and (body_of(text) == body or (turn > UNATTENDED and not _is_attended())):
                raise problem
            body, problem, notes = body_of(text), None, ()
            wanted: Mapping[str, Value] | None = None
            try:
                wanted = values_of(text, form)
                if wanted is None or not any(edits(base, wanted)):
                    return None
                done = self._stored(base, wanted)
                if done is not None:
                    return done
            except Stale:
                base, body, notes = self._brought_over(base, wanted or {}, form)
            except MENDABLE as error:
                problem = error
                where = f" (at {error.pointer})" if error.pointer and error.pointer not in error.detail else ""
                notes = ["", f"NOT STORED: {error.detail}{where}", "Mend it, or leave it as it is to give up.", ""]

    def _layer(self) -> Layer:
        document, tag = self._client.own(self._scope)
        settings = document["settings"]
        values = {key: one["value"] for key, one in settings.items()}
        secrets = {key for key, one in settings.items() if one["secret"]}
        host = f" on host {self._scope.host}" if self._scope.host else ""
        words = [
            f"{self._scope.app} in env {self._scope.env}{host}, as of change {integer(document['change'])}, "
            f"revision {integer(document['revision'])}",
            "A key that you take out is unset; {} takes all of them away, an empty text does nothing.",
        ]
        words += [f"{MASK} is a secret, which stays as it is: {', '.join(sorted(secrets))}"] if secrets else []
        return Layer(values, secrets, tag, words)

    def _opened(self, text: str) -> str:
        """The text as the editor leaves it. Raises `Configuration`, `Malformed`."""
        self.path.write_text(text, "utf-8")
        self.path.chmod(0o600)
        code = subprocess.run(self._command, check=False).returncode  # noqa: S603 - the user's own editor
        content = self.path.read_bytes()
        self.is_edited = self.is_edited or content != text.encode()
        if code != 0:
            raise Configuration(f"the editor {self._command[0]} ended with {code}; nothing was stored")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"the text is not UTF-8 (byte {error.start}); nothing was stored") from error

    def _stored(self, base: Layer, wanted: Mapping[str, Value]) -> Document | None:
        """What the server answered; None to edit again. Raises `NeedsYes` for a no."""
        changed, unset, secret = edits(base, wanted)
        edit = self._writing.edit(set=changed, unset=unset, secret=secret, if_match=base.tag)
        shown = self._client.change(self._scope, replace(edit, dry_run=True))
        if edit.dry_run:
            return shown
        show_diff(shown["diff"])
        say_reach(shown["reaches"], NAMED)
        for warning in shown["warnings"]:
            say(f"warning: {warning}")
        sure = "y" if edit.yes else _asked()
        if sure == "n":
            raise NeedsYes("nothing was stored")
        return None if sure == "e" else self._client.change(self._scope, replace(edit, yes=True))

    def _brought_over(
        self, base: Layer, wanted: Mapping[str, Value], form: str
    ) -> tuple[Layer, str, Sequence[str]]:
        """What was edited, over the layer as others have left it."""
        now = self._layer()
        merged, clashes = rebased(base, wanted, now)
        say("others changed the layer meanwhile: look at it once more")
        notes = ["", "NOT STORED: others changed the layer meanwhile; what they did is in the text below:"]
        notes += [f"  {line}" for line in told(base.values, now.values)]
        notes += [f"Of what you changed too, yours stands below: {', '.join(clashes)}"] if clashes else []
        return replace(now, secrets=now.secrets | base.secrets), FORMATS[form](merged) + "\n", [*notes, ""]


def _asked() -> str:
    choice = click.Choice(["y", "n", "e"])
    return str(click.prompt("Store it: yes, no, or edit again?", type=choice, err=True))

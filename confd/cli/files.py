"""`confctl import` and `export`: settings from and to files of every registered format."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from confd.cli.output import cell, say
from confd.cli.scope import Common, common_options
from confd.cli.starts import from_compose, from_container, inspected, start, variables
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options
from confd.jsontext import Value

__all__ = ["export_command", "import_command", "read_settings", "read_text"]

NAMES = (
    "env",
    "compose-env",
    "docker-env",
    "json",
    "yaml",
    "toml",
    "properties",
    "ini",
    "xml",
    "k8s-configmap",
    "k8s-secret",
)
BY_NAME = {".yml": "yaml", **{f".{name}": name for name in ("json", "yaml", "toml", "properties", "ini", "xml")}}
"""The format that the end of a file's name tells; env else."""
_COMPOSE_FILE = re.compile(r"(docker-)?compose([.-].+)?\.ya?ml")
ENCODINGS = {"properties": "ISO-8859-1"}
"""What the files of a format are in where they are not UTF-8."""
K8S_SECRET = "k8s-secret"  # noqa: S105 - a format's name
TYPED = ("json", "yaml", "toml")
"""Formats that tell a number from a text; in all others everything is text."""
STARTS = ("docker-args", "compose-override")
INSPECT = "inspect"
COMPOSE = "compose"
NAMED = 10
"""So many keys are named in one line."""


def read_text(file: str, otherwise: str = "") -> str:
    """A file's text; `-` is stdin. Raises `Malformed` when it is not UTF-8 and may be nothing else."""
    from confd.errors import Malformed

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise click.UsageError(f"{file} cannot be read: {exc.strerror}") from exc
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        if otherwise:
            say(f"{file} is not UTF-8 (byte {exc.start}) and is read as {otherwise}")
            return content.decode(otherwise)
        raise Malformed(f"{file} is not UTF-8 (byte {exc.start}); convert it first") from exc


def guessed(file: str) -> str:
    """The format by the file's name."""
    path = Path(file)
    return COMPOSE if _COMPOSE_FILE.fullmatch(path.name) else BY_NAME.get(path.suffix.lower(), "env")


def read_settings(
    file: str, format_name: str | None, prefix: str | None, service: str | None = None
) -> Mapping[str, Value]:
    """The settings of a file, each key checked; says what the file leaves open.

    Raises `Malformed` with the file's name and the place in it.
    """
    from confd.errors import Malformed
    from confd.formats import FORMATS
    from confd.references import plain_text

    known = format_name or guessed(file)
    text = read_text(file, ENCODINGS.get(known, ""))
    try:
        if known == COMPOSE:
            return from_compose(text, service, prefix)
        form = FORMATS[known]
        pairs = form.load(text)
        if (
            format_name is None
            and known != K8S_SECRET
            and {("kind", "Secret"), ("apiVersion", "v1")} <= _words(pairs)
        ):
            raise Malformed(
                f"it is a Secret of Kubernetes; give --format {K8S_SECRET}, so that its data are secrets"
            )
        settings = _settings(pairs, f"{prefix.rstrip('/')}/" if prefix else "")
        if not form.keyed:  # such a file has what programs see: nothing in it is a reference
            settings = {key: plain_text(value) for key, value in settings.items()}
        warnings = form.warnings(text)
    except Malformed as exc:
        raise Malformed(f"{file}: {exc.detail}") from exc
    for warning in warnings:
        say(f"{file}: {cell(warning)}")
    return settings


def _words(pairs: Sequence[tuple[str, Value]]) -> set[tuple[str, str]]:
    return {(name, value) for name, value in pairs if isinstance(value, str)}


def by_type(settings: Mapping[str, Value], *, texts: bool) -> dict[str, Mapping[str, Value]]:
    """The settings as members of a write: of a file that has texts alone, the schema gives them their types."""
    plain = {key: value for key, value in settings.items() if texts and isinstance(value, str)}
    return {"set": {key: value for key, value in settings.items() if key not in plain}, "texts": plain}


def _of_keys(format_name: str) -> bool:
    """Whether its files hold keys, run options among them; any other holds variables."""
    from confd.formats import FORMATS

    return format_name in FORMATS and FORMATS[format_name].keyed


def _settings(pairs: Iterable[tuple[str, Value]], below: str) -> Mapping[str, Value]:
    from confd.errors import Malformed
    from confd.keys import parse_key

    settings: dict[str, Value] = {}
    for key, value in pairs:
        full = parse_key(below + key)
        if full in settings:
            raise Malformed(f"{full} stands twice; keep one of them")
        settings[full] = value
    return settings


@click.command("import", cls=WaitCommand)
@click.argument("app")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), required=False)
@click.option(
    "--format", "format_name", type=click.Choice((*NAMES, COMPOSE, INSPECT)), help="Else by the file's name."
)
@click.option("--from-container", "container", metavar="NAME", help="What a container of this machine has already.")
@click.option("--service", metavar="NAME", help="Of a Compose file: which service; else its only one.")
@click.option("--prefix", metavar="P", help="Put every key below P/.")
@click.option("--replace", is_flag=True, help="Take away keys (below P) that the file does not name.")
@click.option(
    "--secret", metavar="GLOB", multiple=True, help="Keep the values of these keys as secrets; repeatable."
)
@settings_options
@common_options
def import_command(common: Common, app: str, file: str | None, container: str | None, **given: Any) -> None:
    """Store the settings of a FILE in one change ('-' is stdin).

    env is the dialect of dotenv, with quotes; ${HOST} stays as it is written. In compose-env it is the value of an
    earlier line, never of your own environment. docker-env is that of 'docker run --env-file', without quotes. In
    JSON, YAML and TOML, nested members are segments of a key, a list is one value, and null takes the key away. In
    INI a section is a folder of keys; .properties and XML hold keys as they stand. A number keeps its text. Where a
    format has nothing but texts, the app's schema gives them their types.

    k8s-configmap and k8s-secret take the data of such a manifest, the latter's as secrets. compose takes the
    variables and run options of a service, and says what it leaves out. --replace leaves run options alone where
    the file is none of keys.

    --from-container asks the engine of this machine for the container's own variables, limits and restart policy;
    with --format inspect FILE is what 'docker inspect CONTAINER IMAGE' printed elsewhere.

    \b
    Examples:
      confctl import web .env -e dev --dry-run
      confctl import web settings.yaml -e dev --replace
      confctl import web compose.yaml --service web -e dev --dry-run
      confctl import web .env --secret '*PASSWORD*' --secret '*TOKEN*' -e prod
      confctl import web --from-container web_1 -e dev --dry-run
    """
    named = given.pop("format_name")
    form = named or guessed(file or "")
    prefix, replace, service = given.pop("prefix"), given.pop("replace"), given.pop("service")
    globs = (*given.pop("secret"), *(("**",) if form == K8S_SECRET else ()))
    writing, scope, client = Writing(**given), common.scope(app), common.client()
    if (file is None) == (container is None):
        raise click.UsageError("From where? Give a FILE, or --from-container NAME.")
    if container is not None or form == INSPECT:
        settings = from_container(inspected(container) if container else read_text(file or ""), prefix)
    else:
        settings = read_settings(file or "", named, prefix, service)
    unset: list[str] = []
    if replace:
        options = _of_keys(form)
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        unset = [
            key
            for key in client.settings(scope, own=True)["settings"]
            if key not in settings and key.startswith(below) and (options or not key.startswith("run/"))
        ]
    members = by_type(settings, texts=form not in TYPED)
    marks = {"unset": unset, "secret": _secret(settings, globs)}
    carry_out(common, scope, writing, lambda to, edit: to.change(scope, edit), **members, **marks)


def _secret(settings: Mapping[str, Value], globs: Sequence[str]) -> list[str]:
    """The keys that the globs match. One that matches none is a slip: what it means would stay readable."""
    from confd.keys import matches

    for glob in globs:
        if not any(matches(glob, key) for key in settings) and settings:
            raise click.UsageError(f"--secret {cell(glob)} matches no key of the file; nothing was stored.")
    return [key for key in settings if any(matches(glob, key) for glob in globs)]


@click.command("export")
@click.argument("app")
@click.option("--format", "format_name", type=click.Choice((*NAMES, *STARTS)), default="env", show_default=True)
@click.option("--own", is_flag=True, help="Only the app's own layer, in a format of keys.")
@click.option("--service", metavar="NAME", help="compose-override: the service, else APP.")
@click.option("--reveal", is_flag=True, help="Secrets too, in a format of keys, if you may; it is noted down.")
@common_options
def export_command(common: Common, app: str, format_name: str, own: bool, **given: Any) -> None:
    """Write the settings of APP to stdout.

    Variables as .env or as a ConfigMap or Secret of Kubernetes, with what they refer to; keys as JSON, YAML, TOML,
    .properties, INI or XML, each as it was written. Secrets are left out without --reveal.

    docker-args and compose-override are for whoever starts the containers: one started so has its settings, run
    options too, from its first moment on.

    \b
    Examples:
      confctl export web -e dev > .env
      confctl export web -e prod --format json
      eval docker run -d --name web "$(confctl export web -e prod --format docker-args)" myimage
      confctl export web -e prod --format compose-override > docker-compose.override.yml
    """
    from confd.formats import FORMATS

    scope, client, reveal = common.scope(app), common.client(), bool(given["reveal"])
    if reveal and not _of_keys(format_name):
        raise click.UsageError("--reveal is for a format of keys, as json or yaml.")
    if format_name in STARTS:
        start(client, scope, format_name, given["service"])
        return
    if _of_keys(format_name):
        settings = client.settings(scope, own=own, reveal=reveal)["settings"]
        values = {key: s.get("written", s["value"]) for key, s in settings.items() if reveal or _is_open(s)}
        if len(values) < len(settings):
            say(f"{len(settings) - len(values)} secrets are left out")
    else:
        values = variables(client, scope)
    text = _dumped(format_name, values, app)
    if _of_keys(format_name):
        _say_lost(values, dict(FORMATS[format_name].load(text)))
    click.echo(text, nl=False)


def _is_open(setting: Mapping[str, Any]) -> bool:
    """Whether what was written of it is no secret, even where it refers to one."""
    return "written" in setting or not setting.get("secret")


def _dumped(format_name: str, values: Mapping[str, Value], app: str) -> str:
    from confd.formats import FORMATS, kubernetes

    if format_name in (kubernetes.NAME, kubernetes.SECRET):
        return kubernetes.manifest(format_name, values, app.lstrip("_"))
    return FORMATS[format_name].dump(values)


def _say_lost(values: Mapping[str, Value], read: Mapping[str, Value]) -> None:
    """Name the keys that whoever reads the file back would not find as they are."""
    lost = [key for key, value in values.items() if key not in read or read[key] != value]
    if lost:
        say(
            f"read back, {len(lost)} would differ (a text for what is no string, or keys for the members of an "
            f"object): {', '.join(lost[:NAMED])}{', ...' if lost[NAMED:] else ''}"
        )

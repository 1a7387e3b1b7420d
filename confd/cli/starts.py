"""What makes a first start right, for whoever starts containers; and what one that runs has already."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from confd.cli.output import cell, say, say_left_out, yaml
from confd.client import Client, Scope
from confd.jsontext import Value

if TYPE_CHECKING:
    from confd.firststart import Taken

__all__ = ["from_compose", "from_container", "inspected", "start", "variables"]


def start(client: Client, scope: Scope, format_name: str, service: str | None) -> None:
    """Print the arguments of `docker run`, or a Compose override."""
    from confd.firststart import Due, compose_override, docker_args
    from confd.keys import App, Env, Key, is_run_option, option_of
    from confd.options import OPTIONS

    settings = client.settings(scope)["settings"]
    options = {
        option_of(Key(key)): OPTIONS[option_of(Key(key))].parse(one["value"])
        for key, one in settings.items()
        if is_run_option(Key(key)) and option_of(Key(key)) in OPTIONS and not one.get("secret")
    }
    due = Due(App(scope.app), Env(scope.env), variables(client, scope), options)
    if format_name == "docker-args":
        text, words = docker_args(due)
    else:
        document, words = compose_override(due, service or scope.app)
        text = yaml(document) + "\n"
    for word in words:
        say(word)
    click.echo(text, nl=False)


def variables(client: Client, scope: Scope) -> dict[str, Any]:
    """The variables that are due; says which settings are left out of them, and why."""
    config = client.config(scope)
    say_left_out(config)
    return dict(config["variables"])


def inspected(container: str) -> str:
    """What the engine of this machine says of a container and of its image, as `docker inspect` prints it."""
    (one,) = json.loads(_docker("container", "inspect", "--", container))
    (image,) = json.loads(_docker("image", "inspect", "--", str(one["Image"])))
    return json.dumps([one, image])


def _docker(*words: str) -> str:
    from confd.errors import NotFound, Unavailable

    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as exc:
        raise Unavailable(
            "the docker command is not to be had here; run 'docker inspect CONTAINER IMAGE' where it is, and "
            "import that with --format inspect"
        ) from exc
    if done.returncode:
        raise NotFound(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def from_container(text: str, prefix: str | None) -> Mapping[str, Value]:
    """The settings in what `docker inspect CONTAINER [IMAGE]` has printed; says what it leaves out."""
    from confd.errors import Malformed
    from confd.firststart import taken_from

    if prefix:
        raise click.UsageError("A container's variables keep their names: leave --prefix out.")
    try:
        documents: list[dict[str, Any]] = json.loads(text)
        (one,) = [document for document in documents if "HostConfig" in document]
        image = next((document["Config"] or {} for document in documents if "RootFS" in document), {})
        taken = taken_from(one, image)
    except (ValueError, KeyError, TypeError) as exc:
        raise Malformed("this is not what 'docker inspect CONTAINER IMAGE' prints for one container") from exc
    return _told(taken)


def from_compose(text: str, service: str | None, prefix: str | None) -> Mapping[str, Value]:
    """The settings of a service of a Compose file; says what it leaves out."""
    from confd.formats.composefile import load

    if prefix:
        raise click.UsageError("A service's variables keep their names: leave --prefix out.")
    return _told(load(text, service))


def _told(taken: Taken) -> Mapping[str, Value]:
    from confd.references import plain_text

    for words in taken.left:
        say(f"left out: {cell(words)}")
    return {key: plain_text(value) for key, value in taken.settings.items()}

"""Run options on a real engine: it shows what was written, and nothing of what was taken away again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from confd.actions import update
from confd.actions.fidelity import Wanted, replacement_of
from confd.options import OPTIONS, observed_options
from confd.options.texts import load
from confd.ports import Inspect, Replacement
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess
from tests.unit.options.samples import DEFAULTS, sample

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.1; done']

OWN = {"image": f'"{IMAGE}"', "entrypoint": '["sh"]'}

KERNELS = {"blkio-weight"}
"""Options that the engine leaves out, with a warning, where the kernel was built without them."""


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    yield made
    made.close()


@pytest.fixture
def bare(target: DockerTarget, engine: EngineProcess) -> Inspect:
    """A container without any run option, as `docker run --entrypoint sh` makes it."""
    engine.client.tag(IMAGE, "app", "2")
    policy = {"Name": "no", "MaximumRetryCount": 0}
    body = {"Image": IMAGE, "Entrypoint": ["sh"], "HostConfig": {"RestartPolicy": policy}}
    return target.inspect(target.create(Replacement("bare", body, {})))


def _created(target: DockerTarget, inspect: Inspect, name: str, options: Mapping[str, str]) -> Inspect:
    """The inspect of a successor that is created and not started; it keeps its image and program."""
    wanted = {**OWN, **options}
    return target.inspect(target.create(replacement_of(inspect, name, Wanted(load(wanted["image"]), {}, wanted))))


def _shown(inspect: Inspect) -> Mapping[str, Any]:
    """What an engine shows of a create body, without the host name that it makes up."""
    config = dict(inspect["Config"])
    if config["Hostname"] == inspect["Id"][:12]:
        del config["Hostname"]
    return {"Config": config, "HostConfig": inspect["HostConfig"]}


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - KERNELS))
def test_an_option_reads_back_and_leaves_nothing_behind(target: DockerTarget, bare: Inspect, name: str) -> None:
    with_it = _created(target, bare, "with", sample(name))
    assert observed_options(with_it) == {**OWN, **sample(name)}
    without = _created(target, with_it, "without", {})
    assert _shown(without) == _shown(_created(target, bare, "never", {}))


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in DEFAULTS for text in DEFAULTS[name]])
def test_a_default_that_is_written_down_reads_back_as_unset(
    target: DockerTarget, bare: Inspect, name: str, text: str
) -> None:
    assert name not in observed_options(_created(target, bare, "with", sample(name, text)))


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.removal])
def test_what_has_a_removal_is_taken_away_in_place(engine: EngineProcess, target: DockerTarget, name: str) -> None:
    container = engine.run("app", SERVE)
    update.apply(target, target.inspect(container), sample(name))
    assert observed_options(target.inspect(container))[name] == sample(name)[name]
    update.apply(target, target.inspect(container), {name: OPTIONS[name].removal})
    assert name not in observed_options(target.inspect(container))

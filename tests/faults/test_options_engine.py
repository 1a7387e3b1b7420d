"""Run options on a real engine: it shows what was written, and nothing of what was taken away again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from docker.types import IPAMConfig, IPAMPool

from confd.actions import update
from confd.actions.fidelity import Wanted, replacement_of
from confd.errors import EngineRefused
from confd.options import OPTIONS, against_host, observed_options
from confd.options.option import OLDEST
from confd.options.texts import load
from confd.ports import Inspect, Replacement
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess
from tests.unit.options.samples import DEFAULTS, sample

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.1; done']

OWN = {"image": f'"{IMAGE}"', "entrypoint": '["sh"]'}

KERNELS = {"blkio-weight", "blkio-weight-device"}
"""Options that the engine leaves out, with a warning, where the kernel was built without them."""

NEWER = {
    name for name, text in ((name, sample(name)[name]) for name in OPTIONS) if OPTIONS[name].since(text) != OLDEST
}
"""Options that an engine with the API 1.41 passes over without a word."""

REFUSED = {"storage-opt": "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"}
"""Options that the engine of this machine cannot do, with its own words."""


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    yield made
    made.close()


@pytest.fixture
def bare(target: DockerTarget, engine: EngineProcess) -> Inspect:
    """A container without any run option, as `docker run --entrypoint sh` makes it."""
    engine.client.tag(IMAGE, "app", "2")
    target.create(Replacement("db", {"Image": IMAGE, "Cmd": SERVE}, {}))
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


def _samples(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, json.dumps(example)) for name in sorted(names) for example in OPTIONS[name].examples]


@pytest.mark.parametrize(("name", "text"), _samples(OPTIONS.keys() - KERNELS - NEWER - REFUSED.keys()))
def test_an_option_reads_back_and_leaves_nothing_behind(
    engine: EngineProcess, target: DockerTarget, bare: Inspect, name: str, text: str
) -> None:
    if "back" in text:
        engine.client.create_network("back", ipam=IPAMConfig(pool_configs=[IPAMPool("172.30.0.0/24")]))
    with_it = _created(target, bare, "with", sample(name, text))
    assert observed_options(with_it) == {**OWN, **sample(name, text)}
    kept = _created(target, with_it, "kept", observed_options(with_it))
    assert observed_options(kept) == observed_options(with_it)
    without = _created(target, with_it, "without", {})
    assert _shown(without) == _shown(_created(target, bare, "never", {}))


@pytest.mark.parametrize(("name", "text"), _samples(NEWER))
def test_what_needs_a_newer_engine_is_refused_for_this_one(
    target: DockerTarget, bare: Inspect, name: str, text: str
) -> None:
    """It would pass it over, and the container would be another than it is due for ever."""
    assert name not in observed_options(_created(target, bare, "with", sample(name, text)))
    (problem,) = against_host(sample(name, text), target.engine())
    assert f"run/{name}: this host's engine has the API 1.41" in problem.detail


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_what_this_engine_cannot_do_it_refuses_at_creation(
    target: DockerTarget, bare: Inspect, name: str, words: str
) -> None:
    with pytest.raises(EngineRefused) as refused:
        _created(target, bare, "with", sample(name))
    assert words in refused.value.detail


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_what_this_kernel_cannot_do_the_engine_leaves_out(target: DockerTarget, bare: Inspect, name: str) -> None:
    """Where a kernel can, it reads back."""
    assert observed_options(_created(target, bare, "with", sample(name))).get(name) in (None, sample(name)[name])


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

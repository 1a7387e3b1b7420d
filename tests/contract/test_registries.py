"""Each name in a registry is documented and in a contract test, and nothing that belongs in one is left out."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Collection

import pytest

import confd.actions
import confd.formats
import confd.targets
from confd.actions import ACTIONS, REACHES
from confd.agent.observe import Labels
from confd.agent.perform import acts_for
from confd.clock import SystemClock
from confd.formats import FORMATS
from confd.model import Reach
from confd.ports import Engine, Target
from confd.targets import TARGETS
from confd.targets.memory import MemoryTarget
from tests.contract import test_action, test_target, test_target_events
from tests.support.targets import NOBODY, RIGS, unheard
from tests.unit import test_formats

TARGET_TESTS = (test_target, test_target_events)


def _modules(package: types.ModuleType) -> list[types.ModuleType]:
    found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    return [importlib.import_module(one.name) for one in found]


def _documented(module: types.ModuleType | None) -> bool:
    return module is not None and bool((module.__doc__ or "").strip())


def _capabilities(protocol: type) -> set[type]:
    """The port's protocols that a protocol is made of, without the one that every target is."""
    ports = {one for one in protocol.__mro__ if one.__module__ == "confd.ports"}
    return {one for one in ports if one not in (protocol, Target, Engine)}


def _cases(module: types.ModuleType, argument: str) -> Collection[object]:
    """What the module's tests are run over for an argument."""
    marks = [module.__dict__.get("pytestmark", [])]
    marks += [getattr(test, "pytestmark", []) for name, test in vars(module).items() if name.startswith("test_")]
    every = [mark for group in marks for mark in (group if isinstance(group, list) else [group])]
    return [case for one in every if one.args and one.args[0] == argument for case in one.args[1]]


# --- formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_format_is_documented_and_reads_back_what_it_writes(name: str) -> None:
    known = FORMATS[name]
    assert known.name == name
    assert known.doc
    assert _documented(inspect.getmodule(known.load))
    assert name in test_formats.ROUND_TRIPS
    assert name in _cases(test_formats, "name")


@pytest.mark.parametrize("module", _modules(confd.formats), ids=lambda module: module.__name__)
def test_a_format_s_module_is_registered(module: types.ModuleType) -> None:
    loads = {known.load for known in FORMATS.values()}
    assert hasattr(module, "NAME") == any(inspect.getmodule(load) is module for load in loads)


# --- actions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.NAME)
def test_an_action_is_declared_documented_and_run(action: types.ModuleType) -> None:
    assert _documented(action)
    assert {"NAME", "REACH", "REQUIRES", "apply"} <= set(action.__all__)
    assert isinstance(action.REACH, Reach)
    assert REACHES[action.NAME] is action.REACH
    assert action.NAME in test_action.RUNS
    assert action in _cases(test_action, "action")


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.NAME)
def test_an_action_requires_what_its_target_is_typed_with(action: types.ModuleType) -> None:
    typed = typing.get_type_hints(action.apply)["target"]
    assert _capabilities(typed) == set(action.REQUIRES)


@pytest.mark.parametrize("module", _modules(confd.actions), ids=lambda module: module.__name__)
def test_an_action_s_module_is_registered(module: types.ModuleType) -> None:
    assert (module in ACTIONS) == hasattr(module, "REACH")


def test_actions_have_names_of_their_own_and_the_agent_does_each() -> None:
    assert len(REACHES) == len(ACTIONS)
    assert REACHES.keys() <= acts_for(MemoryTarget(), Labels(), SystemClock()).keys()


# --- targets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_target_is_documented_and_keeps_to_the_contract(name: str) -> None:
    target = TARGETS[name](NOBODY, 1.0, unheard)
    assert _documented(inspect.getmodule(type(target)))
    assert name in RIGS
    assert all(name in _cases(module, "rig") for module in TARGET_TESTS)
    target.close()


def test_every_test_of_the_contract_runs_on_each_target() -> None:
    tests = [test for module in TARGET_TESTS for name, test in vars(module).items() if name.startswith("test_")]
    assert len(tests) > 40
    assert all("rig" in inspect.signature(test).parameters for test in tests)


@pytest.mark.parametrize("module", _modules(confd.targets), ids=lambda module: module.__name__)
def test_a_target_s_module_is_registered(module: types.ModuleType) -> None:
    """Each class of it that has every call of an engine."""
    calls = {name for one in Engine.__mro__ for name in vars(one) if not name.startswith("_")}
    classes = {one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__}
    engines = {one for one in classes if calls <= set(dir(one))}
    assert engines <= {type(make(NOBODY, 1.0, unheard)) for make in TARGETS.values()}

"""Grammars of run options: one canonical text per value, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import jsontext
from confd.errors import Invalid
from confd.options import OPTIONS, Option
from confd.options.option import Grammar
from tests.unit.options.samples import parsed

MIB = 1024 * 1024


@pytest.mark.parametrize("text", ['"512m"', '"512M"', '"512mb"', '"512MiB"', '"0.5g"', '"536870912"', "536870912"])
def test_memory_units_b58(text: str) -> None:
    assert parsed("memory", text) == "536870912"


@pytest.mark.parametrize("text", ['"512Mi"', '" 512m"', '"512m "', '"512 m"', '""', "true", "null", "[]", '"-1"'])
def test_other_memory_units_are_refused_with_the_allowed_ones_b58(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed("memory", text)
    assert refused.value.detail.startswith("run/memory (--memory): expected a size like 512m")


def test_memory_below_the_engines_minimum_is_refused_at_write_b59() -> None:
    with pytest.raises(Invalid, match="at least 6291456 bytes"):
        parsed("memory", '"4m"')
    assert parsed("memory", '"6m"') == str(6 * MIB)


def test_nearly_no_cpu_is_refused_at_write_b62() -> None:
    with pytest.raises(Invalid, match=r"at least 0\.01"):
        parsed("cpus", "0.0001")


@given(st.integers(6, 10**6))
def test_a_size_is_the_same_in_every_unit(mebibytes: int) -> None:
    spellings = {f"{mebibytes}m", f"{mebibytes * 1024}k", f"{mebibytes}MiB", str(mebibytes * MIB)}
    assert {OPTIONS["memory"].parse(text) for text in spellings} == {str(mebibytes * MIB)}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_value_is_parsed_or_refused(value: jsontext.Value) -> None:
    for option in OPTIONS.values():
        with contextlib.suppress(Invalid):
            jsontext.parse(option.parse(value))


@pytest.mark.parametrize("text", ['{"nofile": "9:8"}', '{"nofile": "-1:8"}', '{"nofile": "x"}', '{"NO": 1}'])
def test_a_ulimit_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="run/ulimit"):
        parsed("ulimit", text)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("memory", '"9000p"', "less than 8 exbibytes"),
        ("cpus", "0.001", "at least 0.01"),
        ("cpus", '"NaN"', "a number of CPUs"),
        ("restart", '"always:3"', "on-failure:N"),
        ("command", '"sh -c \'exit"', "balanced quotes"),
        ("command", '["a\\u0000"]', "without a NUL"),
        ("publish", '"0:80"', "a list of"),
        ("publish", "65536", "a list of"),
        ("volume", '["/a:/"]', "below /"),
        ("volume", '["/a:/x", "data:/x/"]', "each at a place of its own"),
        ("sysctl", '["=1"]', "an object like"),
        ("sysctl", '{"a": [1]}', "an object like"),
    ],
)
def test_what_is_refused_says_what_is_allowed(name: str, text: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed(name, text)
    assert says in refused.value.detail
    assert refused.value.pointer == f"/run~1{name}"


@pytest.mark.parametrize(
    ("name", "text", "canonical"),
    [
        ("workdir", '"/srv//a/./b/../c/"', '"/srv/a/c"'),
        ("workdir", '"/../.."', '"/"'),
        ("dns", '"10.0.0.2, 10.0.0.1,10.0.0.2"', '["10.0.0.2","10.0.0.1"]'),
        ("cap-add", '["CAP_SYS_TIME", "net_admin"]', '["NET_ADMIN","SYS_TIME"]'),
        ("sysctl", '{"net.b": true, "net.a": 1}', '{"net.a":"1","net.b":"true"}'),
        ("tmpfs", '"/run=size=64m"', '{"/run":"size=64m"}'),
        ("publish", '"08080:080"', '{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}'),
        ("read-only", '"true"', "true"),
        ("ulimit", '{"nofile": -1}', '{"nofile":[-1,-1]}'),
        ("command", '["sleep", 1.50]', '["sleep","1.50"]'),
    ],
)
def test_one_canonical_text(name: str, text: str, canonical: str) -> None:
    assert parsed(name, text) == canonical


def test_an_option_that_refuses_nothing_has_no_form_to_tell() -> None:
    anything = Option("any", "", Grammar(lambda name, value: jsontext.dump(value)), OPTIONS["init"].place)
    assert anything.form == ""
    assert OPTIONS["init"].form == "true or false"

"""Grammars of run options: one canonical text per value, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from confd import jsontext
from confd.errors import Invalid
from confd.options import OPTIONS, Option, observed_options, read_back, spelled
from confd.options.option import Grammar
from confd.options.texts import flag
from tests.unit.options.samples import BARE, created, parsed

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


@pytest.mark.parametrize(
    ("option", "text"),
    [("gpus", "device=0\r1"), ("mount", "type=volume\r,dst=/a"), ("network", "name=a\r,alias=b")],
)
def test_a_line_end_between_words_is_refused(option: str, text: str) -> None:
    with pytest.raises(Invalid, match=f"run/{option}"):
        OPTIONS[option].parse(text)


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


@pytest.mark.parametrize(
    ("name", "text", "canonical"),
    [
        ("health-interval", '"1m30s"', "90000000000"),
        ("health-timeout", '"1.5s"', "1500000000"),
        ("health-cmd", '"true"', '"true"'),
        ("health-cmd", '["true", "-x"]', '["true","-x"]'),
        ("publish", '["8000-8001:80-81", "9000-9010:90", "[::1]:443:443"]',
         '{"443/tcp":[{"HostIp":"::1","HostPort":"443"}],"80/tcp":[{"HostIp":"","HostPort":"8000"}],'
         '"81/tcp":[{"HostIp":"","HostPort":"8001"}],"90/tcp":[{"HostIp":"","HostPort":"9000-9010"}]}'),
        ("expose", '[80, "90-91/udp"]', '["80/tcp","90/udp","91/udp"]'),
        ("expose", "80", '["80/tcp"]'),
        ("mac-address", '"02-42-AC-11-00-09"', '"02:42:ac:11:00:09"'),
        ("device-read-bps", '["/dev//sdb:1m", "/dev/sda:2k"]', '{"/dev/sda":2048,"/dev/sdb":1048576}'),
        ("gpus", '"all"', '[{"count":-1,"capabilities":["gpu"]}]'),
        ("gpus", "2", '[{"count":2,"capabilities":["gpu"]}]'),
        ("gpus", '"driver=nvidia,\\"device=1,0\\",capabilities=utility,\\"options=a=1,b=2\\""',
         '[{"driver":"nvidia","device":["0","1"],"capabilities":["gpu","utility"],"options":{"a":"1","b":"2"}}]'),
        ("gpus", '[{"count": "all", "capabilities": "utility"}]',
         '[{"count":-1,"capabilities":["gpu","utility"]}]'),
        ("security-opt", '["systempaths:unconfined", "no-new-privileges=true"]',
         '["no-new-privileges","systempaths=unconfined"]'),
        ("link", '"db"', '["db:db"]'),
        ("volumes-from", '["b:rw", "a:ro"]', '["a:ro","b"]'),
        ("log-opt", '{"mode": "non-blocking"}', '{"mode":"non-blocking"}'),
        ("memory-swap", '"-1"', "-1"),
    ],
)  # fmt: skip
def test_one_canonical_text_of_each_spelling(name: str, text: str, canonical: str) -> None:
    assert parsed(name, text) == canonical


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("health-interval", "30", "a duration like 30s"),
        ("health-interval", '"100us"', "at least 1ms"),
        ("health-interval", '"999999999999h"', "less than 292 years"),
        ("health-cmd", '""', "a command line for the shell"),
        ("health-cmd", "[]", "a command line for the shell"),
        ("health-cmd", '["a\\u0000"]', "without a NUL"),
        ("publish", '"8000-8002:80-81"', "ranges of ports that are of one length"),
        ("publish", '"81-80"', "ports may be ranges"),
        ("expose", '"x"', "ports may be ranges"),
        ("expose", '"0"', "ports may be ranges"),
        ("device-read-bps", '"/dev/sda"', "/dev/NAME:RATE"),
        ("device-read-bps", '"sda:1m"', "/dev/NAME:RATE"),
        ("device-read-bps", '"/dev/sda:fast"', "a size like"),
        ("blkio-weight-device", '"sda:1"', "/dev/NAME:WEIGHT"),
        ("gpus", '"some"', "all, a number"),
        ("gpus", '"count=1,count=2"', "all, a number"),
        ("gpus", '{"count": 1, "device": "0"}', "count or device, not both"),
        ("gpus", '{"count": "few"}', "count or device, not both"),
        ("gpus", '{"speed": 1}', "all, a number"),
        ("gpus", '{"options": {"a": 1}}', "all, a number"),
        ("gpus", '""', "all, a number"),
        ("sysctl", '{"kernel.panic": 1}', "all others are the host's"),
        ("ulimit", '{"a b": 1}', "NAME=SOFT"),
        ("image", '"a b"', "run/image (IMAGE)"),
    ],
)
def test_what_is_refused_names_the_flag_and_says_what_is_allowed(name: str, text: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed(name, text)
    assert refused.value.detail.startswith(f"run/{name} ({flag(name)}): expected ")
    assert says in refused.value.detail


@given(st.integers(10**6, 2**63 - 1))
@example(1_600_593_426_432_000)
def test_a_duration_is_what_it_was_spelled_as(nanoseconds: int) -> None:
    (spelling,) = spelled("health-interval", str(nanoseconds))
    assert OPTIONS["health-interval"].parse(spelling) == str(nanoseconds)


def test_other_fields_of_a_check_are_no_options_where_it_is_none() -> None:
    assert observed_options({"Config": {"Healthcheck": {"Test": ["CMD-SHELL"]}}}).get("health-cmd") == "[]"
    body = {"Healthcheck": {"Test": ["CMD", "x"]}}
    OPTIONS["no-healthcheck"].place.unset(body)
    OPTIONS["no-healthcheck"].place.write(body, "false")
    assert body == {"Healthcheck": {"Test": ["CMD", "x"]}}


def test_a_confinement_that_is_open_stands_in_fields_of_its_own() -> None:
    text = parsed("security-opt", '["systempaths=unconfined", "no-new-privileges"]')
    made = created(BARE, {"security-opt": text})
    assert (made["HostConfig"]["MaskedPaths"], made["HostConfig"]["ReadonlyPaths"]) == ([], [])
    assert observed_options(made)["security-opt"] == text
    assert created(made, {})["HostConfig"].get("MaskedPaths") is None
    both = {"security-opt": text, "privileged": "true"}
    assert read_back(both) == {"security-opt": '["no-new-privileges"]', "privileged": "true"}


def test_input_that_is_closed_after_the_first_reader_is_so_no_more() -> None:
    body = {"OpenStdin": True, "StdinOnce": True}
    OPTIONS["interactive"].place.unset(body)
    assert body == {"OpenStdin": False, "StdinOnce": False}

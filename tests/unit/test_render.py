"""Variables, arguments, files and digests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import jsontext
from confd.formats import FORMATS
from confd.keys import App, Env, Key, Layer, parse_key
from confd.model import Binding, BindingFile, Entry, FileCheck, Rendered, Resolved, Snapshot, VariablesRule
from confd.references import effective
from confd.render import render, text_of, variable_name
from confd.resolve import resolve
from confd.secret import DigestKey

KEY = DigestKey(b"k" * 32)
PROD, WEB = Env("prod"), App("web")
OWN, BELOW = Layer(PROD, WEB), Layer(PROD, App("_default"))


def due(binding: Binding, own: dict[str, str], below: dict[str, str] | None = None) -> Rendered:
    layers = {
        layer: {key: Entry(key, text, 5) for key, text in entries.items()}
        for layer, entries in ((OWN, own), (BELOW, below or {}))
    }
    return render(resolve(Snapshot(7, layers), PROD, WEB), binding, KEY)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("LOG_LEVEL", "LOG_LEVEL"),
        ("http_proxy", "http_proxy"),
        ("Spring__Key", "Spring__Key"),
        ("db/pool-size", "DB_POOL_SIZE"),
        ("a.b", "A_B"),
        ("1X", "_1X"),
    ],
)
def test_variable_names(key: str, name: str) -> None:
    assert variable_name(Key(key), VariablesRule()) == name


def test_prefix_and_rename() -> None:
    rule = VariablesRule(prefix="APP_", rename={"db/url": "DATABASE_URL"})
    assert variable_name(Key("db/url"), rule) == "DATABASE_URL"
    assert variable_name(Key("x"), rule) == "APP_x"
    assert variable_name(Key("1x"), rule) == "APP_1X"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"plain"', "plain"),
        ("1.10", "1.10"),
        ("true", "true"),
        ('[1,"a"]', '[1,"a"]'),
        ('{"a":1}', '{"a":1}'),
        ('""', ""),
    ],
)
def test_values_as_text(value: str, text: str) -> None:
    assert text_of(value) == text


def test_names_that_collide_are_a_problem_naming_all_b50() -> None:
    rendered = due(Binding(), {"work-1": "1", "work.1": "2", "WORK_1": "3", "fine": "4"})
    assert dict(rendered.variables) == {"fine": "4"}
    assert [(p.code, sorted(p.keys)) for p in rendered.problems] == [("collision", ["WORK_1", "work-1", "work.1"])]


def test_null_means_not_set_and_empty_stays_empty_b54() -> None:
    rendered = due(Binding(), {"A": "null", "B": '""'}, {"A": '"x"'})
    assert dict(rendered.variables) == {"B": ""}
    assert due(Binding(), {"PATH": "null"}).problems[0].code == "reserved"


@pytest.mark.parametrize("key", ["PATH", "HOME", "LD_PRELOAD", "CONFD_APP", "ld/preload"])
def test_reserved_names_need_the_bindings_word(key: str) -> None:
    assert [p.code for p in due(Binding(), {key: '"x"'}).problems] == ["reserved"]
    allowed = Binding(variables=VariablesRule(allow_reserved=(variable_name(Key(key), VariablesRule()),)))
    assert due(allowed, {key: '"x"'}).problems == ()


def test_a_renamed_key_must_give_a_variable_name() -> None:
    rendered = due(Binding(variables=VariablesRule(rename={"a": "no good"})), {"a": "1"})
    assert [p.code for p in rendered.problems] == ["name"]


def test_include_and_exclude() -> None:
    rule = VariablesRule(include=("**",), exclude=("internal/**",))
    assert list(due(Binding(variables=rule), {"a": "1", "internal/b": "2"}).variables) == ["a"]


def test_run_options_are_never_variables() -> None:
    rendered = due(Binding(), {"run/memory": '"256m"', "a": "1"})
    assert list(rendered.variables) == ["a"]
    assert list(rendered.options) == ["memory"]


def test_an_unknown_run_option_is_a_problem() -> None:
    rendered = due(Binding(), {"run/memroy": '"256m"'})
    assert [(p.code, p.keys) for p in rendered.problems] == [("run-option", ("run/memroy",))]
    assert "memory" in rendered.problems[0].detail


def test_an_option_of_docker_run_that_no_setting_can_give_says_what_to_do_instead() -> None:
    (problem,) = due(Binding(), {"run/io-maxiops": "100"}).problems
    assert problem.detail.startswith("run/io-maxiops cannot be set: ")
    assert "run/device-read-iops" in problem.detail


def test_a_run_option_that_is_no_value_of_it_is_a_problem_and_left_out_b57() -> None:
    rendered = due(Binding(), {"run/memory": '"lots"', "run/cpus": "1"})
    assert [(p.code, p.keys) for p in rendered.problems] == [("run-option", ("run/memory",))]
    assert "lots" not in rendered.problems[0].detail
    assert list(rendered.options) == ["cpus"]


def test_conflicting_run_options_name_both_keys_b61() -> None:
    rendered = due(Binding(), {"run/cpus": '"0.5"', "run/cpu-quota": "50000"})
    assert set(rendered.problems[0].keys) == {"run/cpus", "run/cpu-quota"}


def test_arguments_are_appended_for_keys_that_are_set() -> None:
    binding = Binding(arguments={"--log-level": "log/level", "--none": "none"})
    rendered = due(binding, {"log/level": '"info"'})
    assert rendered.arguments == ("--log-level", "info")
    assert rendered.argument_keys == ("log/level",)
    assert rendered.arguments_digest is not None
    assert due(Binding(), {}).arguments_digest is None


def test_a_json_file_keeps_the_text_of_numbers() -> None:
    binding = Binding(files=(BindingFile("/etc/app.json", "json", ("web/**",), mode="0440", owner="1000:1001"),))
    file = due(binding, {"web/ratio": "1.10", "other": "1"}).files[0]
    assert "1.10" in file.content
    assert "other" not in file.content
    assert (file.mode, file.owner, file.keys) == (0o440, (1000, 1001), ("web/ratio",))


def test_a_file_that_cannot_hold_its_keys_is_a_problem_and_left_out() -> None:
    files = (BindingFile("/a.json", "json", ("a/**",)), BindingFile("/b.json", "json", ("b",)))
    rendered = due(Binding(files=files), {"a": "1", "a/b": "2", "b": "3"})
    assert [(p.code, sorted(p.keys)) for p in rendered.problems] == [("file", ["a", "a/b"])]
    assert rendered.problems[0].detail.startswith("/a.json: ")
    assert [file.path for file in rendered.files] == ["/b.json"]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_file_of_keys_has_keys_and_any_other_has_variables(form: str) -> None:
    (file,) = due(Binding(files=(BindingFile("/a", form),)), {"db/host": '"h"', "db/port": "1.10"}).files
    read = {name: text_of(jsontext.dump(value)) for name, value in FORMATS[form].load(file.content)}
    keyed = {"db/host": "h", "db/port": "1.10"}
    assert read == (keyed if FORMATS[form].keyed else {"DB_HOST": "h", "DB_PORT": "1.10"})


def test_an_owner_without_a_group_is_its_own_group() -> None:
    binding = Binding(files=(BindingFile("/etc/app.env", "env", owner="5"),))
    file = due(binding, {"db/host": '"h"'}).files[0]
    assert file.owner == (5, 5)
    assert "DB_HOST=" in file.content


@pytest.mark.parametrize(
    "value", ["${mt:WAIT,0275}", "{{ .x }}", "%(a)s", "$$", "#{1+1}", "${catalina.home:.}/conf"]
)
def test_text_that_looks_like_a_template_stays_b145(value: str) -> None:
    binding = Binding(files=(BindingFile("/x.json", "json"),))
    rendered = due(binding, {"A": jsontext.dump(value)})
    assert rendered.variables["A"] == value
    assert value in rendered.files[0].content


def test_the_run_digest_leaves_variables_out() -> None:
    one, two = due(Binding(), {"A": "1"}), due(Binding(), {"A": "2"})
    assert one.run_digest == two.run_digest
    assert one.spec_digest != two.spec_digest


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}(/[a-z0-9]{1,4})?", fullmatch=True),
        st.text(max_size=20),
        max_size=8,
    )
)
def test_rendering_never_raises_and_its_names_are_names(settings: dict[str, str]) -> None:
    kept = {key: jsontext.dump(text) for key, text in settings.items() if key != "run"}
    rendered = due(replace(Binding(), files=(BindingFile("/f.env", "env"),)), kept)
    assert all(name.replace("_", "a").isalnum() for name in rendered.variables)
    assert all(parse_key(key) for key in rendered.key_digests)
    assert due(Binding(), dict(reversed(kept.items()))).spec_digest == due(Binding(), kept).spec_digest


TEMPLATE = BindingFile(
    "/etc/app.conf", "", template='{{ settings["db/host"] }} {{ get("x", "-") }} {{ app }} {{ env }}\n'
)


def test_a_file_by_template_has_the_keys_that_it_reads() -> None:
    rendered = due(Binding(files=(TEMPLATE,)), {"db/host": '"one"', "other": "1"})
    (file,) = rendered.files
    assert (file.content, file.keys) == ("one - web prod\n", ("db/host", "x"))
    assert file.named == {"db/host", "x"}
    assert [file.carries(Key(key)) for key in ("db/host", "x", "other")] == [True, True, False]
    again = due(Binding(files=(TEMPLATE,)), {"db/host": '"one"', "other": "2"})
    assert again.files[0].digest == file.digest


def test_what_a_template_cannot_have_is_a_problem_that_names_key_and_file() -> None:
    rendered = due(Binding(files=(TEMPLATE, BindingFile("/etc/a.json", "json"))), {"other": "1"})
    assert [file.path for file in rendered.files] == ["/etc/a.json"]
    (problem,) = rendered.problems
    assert (problem.code, problem.file, problem.keys) == ("template", "/etc/app.conf", ("db/host", "x"))
    assert problem.detail == (
        "/etc/app.conf: line 1: there is no setting db/host; "
        "set it, or give a default in the template: get(KEY, DEFAULT)"
    )
    wrong = BindingFile("/a", "", template="{{ other + 'a' }}")
    assert "only numbers" in due(Binding(files=(wrong,)), {"other": "1"}).problems[0].detail


def test_a_template_sees_what_include_and_exclude_leave_and_no_run_option() -> None:
    said = '{% for k in settings %}{{ k }} {% endfor %}{{ get("b", "") }}{{ get("run/memory", "") }}'
    file = BindingFile("/a", "", include=("*", "a/*"), exclude=("b",), template=said)
    rendered = due(Binding(files=(file,)), {"a/x": "1", "b": "2", "run/memory": '"64m"', "c/d": "3", "e": "4"})
    assert rendered.files[0].content == "a/x e "
    assert rendered.files[0].keys == ("a/x", "e")
    assert rendered.files[0].named == set()


def test_the_texts_of_secrets_in_a_file_are_known_so_that_they_can_be_masked() -> None:
    secret = {Key("s"): '{"a":["one\\n",2,true,""]}', Key("t"): '"open"'}
    layers: dict[Layer, dict[str, Entry]] = {OWN: {key: Entry(key, text, 5) for key, text in secret.items()}}
    resolved = resolve(Snapshot(7, layers), PROD, WEB)
    hidden = replace(resolved.settings[Key("s")], secret=True)
    resolved = replace(resolved, settings={**resolved.settings, Key("s"): hidden})
    file = render(resolved, Binding(files=(BindingFile("/a", "json", include=("**", "s")),)), KEY).files[0]
    assert set(file.secrets) == {"one\n", "one\\n", "2"}
    assert "one" not in repr(file.secrets) or "secrets" not in repr(file)


def test_a_secret_of_another_app_is_masked_by_itself_wherever_it_was_brought() -> None:
    """A program may print the password alone, of an address that is built of it."""
    other = {Layer(PROD, App("db")): {"pw": Entry("pw", '"canary-77"', 5)}}
    own = {"url": Entry("url", '"pg://${mid}@x"', 5), "mid": Entry("mid", '"u:${db:pw}"', 5)}
    snapshot = Snapshot(7, {OWN: own, **other})

    def opened(resolved: Resolved) -> Resolved:
        sealed = {key: replace(one, secret=key == "pw") for key, one in resolved.settings.items()}
        return replace(resolved, settings=sealed)

    rendered = render(effective(snapshot, PROD, WEB, None, opened), Binding(), KEY)
    assert {"canary-77", "u:canary-77", "pg://u:canary-77@x"} <= set(rendered.hidden)
    assert "canary" not in repr(effective(snapshot, PROD, WEB, None, opened))


def test_the_digest_of_all_files_covers_how_they_are_written_and_checked() -> None:
    def digest(**more: Any) -> object:
        return due(Binding(files=(replace(BindingFile("/a", "json"), **more),)), {"x": "1"}).files_digest

    changes: list[dict[str, Any]] = [{}, {"mode": "0600"}, {"owner": "1:1"}, {"check": FileCheck(("x",))}]
    assert len({digest(**one) for one in changes}) == len(changes)
    assert digest() == digest()
    assert due(Binding(), {"x": "1"}).files_digest is None

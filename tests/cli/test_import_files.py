"""Files as they come from elsewhere: imported by confctl through the API, read back, and exported again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from confd.api.asgi import application
from confd.cli.files import BY_NAME, COMPOSE, NAMES, guessed
from confd.cli.program import confctl
from confd.errors import Malformed
from confd.formats import FORMATS
from confd.jsontext import plain
from confd.keys import App, Env
from confd.services import delivery, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.live import served
from tests.support.secrets import KEYS

DATA = Path(__file__).parents[1] / "data" / "cases"
WEB = Scope(Env("dev"), App("web"))

SHOP = {
    "SHOP_NAME": '"Nord & Süd"',
    "SHOP_MOTTO": "'quick #1'",
    "SHOP_NOTE": "open daily # except Monday",
    "SHOP_COLOR": "#ff8800",
    "SHOP_INDENTED": "1",
    "SHOP_TRAIL": "two  ",
    "SHOP_EMPTY": "",
    "SHOP_DSN": "postgres://shop:p%40ss=w@db:5432/shop?sslmode=disable&x=a=b",
    "SHOP_HASHPW": "$2y$10$abcdefghijk",
    "SHOP_HOME": "${HOME}/data",
    "SHOP_ESC": "line1\\nline2",
    "shop.cache-size": "64",
    "SHOP_DUP": "second",
}
GATEWAY = {
    "API_HOST": "api.example.test",
    "API_URL": "https://${API_HOST}/v1",
    "API_RAW": "https://${API_HOST}/v1",
    "API_MODE": "prod",
    "API_TAGS": "a,b",
    "API_ANCHOR": "page#top",
    "API_QHASH": "x # y",
    "API_JSON": '{"retry": 3, "on": ["5xx"]}',
    "API_TAB": "a\tb",
    "API_NOTAB": "a\\tb",
    "API_PLAIN": "a\\tb",
    "API_SAY": "Let's go",
    "API_PEM": "-----BEGIN X-----\nMIIB\n-----END X-----",
    "API_FALLBACK": "${API_REGION:-eu-north}",
    "API_LAST": "1",
}
FEATURE = {
    "service/id": "9007199254740993",
    "service/ratio": "1.10",
    "service/exp": "1E2",
    "service/neg": "-0",
    "flags/beta": "true",
    "flags/old": "false",
    "hosts": '["a.example.test","b.example.test"]',
    "text": json.dumps('café 😀 "q" / tab\t', ensure_ascii=False),
    "a/b": '"slash"',
    "empty/map": "{}",
    "empty/list": "[]",
    "empty/text": '""',
}


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield replace(made, keys=KEYS)


Run = Callable[..., Result]


@pytest.fixture
def run(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """confctl with a whole API behind it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_TOKEN", "t")
    monkeypatch.setenv("CONFD_ENV", "dev")
    with served(application(context, {"t": "admin"}, ("admin",))) as address:
        monkeypatch.setenv("CONFD_SERVER", address)
        yield lambda *args, text=None: CliRunner().invoke(confctl, args, input=text)


def test_the_command_offers_what_is_registered() -> None:
    assert set(NAMES) == set(FORMATS)
    assert set(BY_NAME.values()) <= set(FORMATS)
    assert COMPOSE not in FORMATS
    assert all(FORMATS[name].keyed for name in BY_NAME.values())


def _stored(context: Context) -> dict[str, str]:
    """The effective settings, each as its JSON text."""
    return {key: entry.text for key, entry in context.fresh().layers.get(WEB.layer, {}).items()}


def _values(context: Context) -> dict[str, Any]:
    found = settings.read(context, context.fresh(), WEB)["settings"]
    return {key: plain(one["value"]) for key, one in found.items()}


def test_docker_keeps_every_character_behind_the_equals_sign(run: Run, context: Context) -> None:
    result = run("import", "web", str(DATA / "shop.docker.env"), "--format", "docker-env")
    assert result.exit_code == 0, result.output
    assert _values(context) == SHOP


def test_what_an_import_leaves_out_is_told_with_its_line(run: Run) -> None:
    result = run("import", "web", str(DATA / "shop.docker.env"), "--format", "docker-env", "--dry-run")
    assert "line 16: SHOP_DUP stands again" in result.stderr
    assert "line 17: SHOP_PASSTHROUGH has no =" in result.stderr


def test_a_name_alone_never_takes_a_variable_of_ours_b11(
    run: Run, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSTHROUGH", "ours")
    assert run("import", "web", str(DATA / "shop.docker.env"), "--format", "docker-env").exit_code == 0
    assert "SHOP_PASSTHROUGH" not in _values(context)


def test_a_file_of_windows_is_read_as_its_author_meant_it_b07_b08(run: Run, context: Context) -> None:
    result = run("import", "web", str(DATA / "gateway.compose.env"))
    assert result.exit_code == 0, result.output
    assert _values(context) == GATEWAY
    assert not any("\r" in text or "\ufeff" in text for text in _values(context).values())


def test_references_are_resolved_where_the_dialect_has_them_b11(
    run: Run, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_HOST", "ours")
    monkeypatch.setenv("API_REGION", "ours")
    result = run("import", "web", str(DATA / "gateway.compose.env"), "--format", "compose-env")
    assert result.exit_code == 0, result.output
    assert _values(context) == GATEWAY | {"API_URL": "https://api.example.test/v1", "API_FALLBACK": "eu-north"}


@pytest.mark.parametrize(
    ("file", "form"),
    [("shop.docker.env", "docker-env"), ("gateway.compose.env", "env"), ("gateway.compose.env", "compose-env")],
)
def test_an_import_twice_changes_nothing(run: Run, context: Context, file: str, form: str) -> None:
    for _ in range(2):
        result = run("import", "web", str(DATA / file), "--format", form)
    assert "nothing to change" in result.stderr
    assert context.fresh().heads[WEB.layer].number == 1


@pytest.mark.parametrize(
    ("file", "form"),
    [("shop.docker.env", "docker-env"), ("gateway.compose.env", "env"), ("gateway.compose.env", "compose-env")],
)
def test_what_is_exported_reads_back_the_same_b18(
    run: Run, context: Context, tmp_path: Path, file: str, form: str
) -> None:
    run("import", "web", str(DATA / file), "--format", form)
    variables = dict(delivery.config(context, context.fresh(), WEB)["variables"])
    for name in ("env", "compose-env"):
        assert dict(FORMATS[name].load(run("export", "web", "--format", name).stdout)) == variables


TEMPLATES = ("${catalina.home:.}/conf", "${mt:WAIT,0275}", "{{ .x }}", "%(a)s", "$$", "#{1+1}", "$HOME", "`x`")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_what_looks_like_a_template_is_the_same_by_every_command_and_in_every_format_b144_b145(
    run: Run, context: Context, tmp_path: Path, form: str
) -> None:
    wanted = {f"T{number}": text for number, text in enumerate(TEMPLATES)}
    assert run("set", "web", *(f"{key}={text}" for key, text in wanted.items())).exit_code == 0
    assert [run("get", "web", key).stdout for key in wanted] == [f"{text}\n" for text in TEMPLATES]
    exported = tmp_path / "exported"
    exported.write_text(run("export", "web", "--format", form).stdout)
    assert dict(FORMATS[form].load(exported.read_text())) == wanted
    result = run("import", "copy", str(exported), "--format", form)
    assert result.exit_code == 0, result.output
    assert [run("get", "copy", key, "--reveal").stdout for key in wanted] == [f"{text}\n" for text in TEMPLATES]
    if form == "k8s-secret":  # what comes from there is secret, and reaches no variable by the way
        assert run("set", "copy", *(f"{key}={text}" for key, text in wanted.items()), "--plain").exit_code == 0
    copy = delivery.config(context, context.fresh(), Scope(Env("dev"), App("copy")))
    assert dict(copy["variables"]) == wanted
    assert dict(FORMATS[form].load(delivery.text_in(copy, form))) == wanted


def test_the_docker_dialect_exports_what_it_imported(run: Run) -> None:
    run("import", "web", str(DATA / "shop.docker.env"), "--format", "docker-env")
    loaded = dict(FORMATS["docker-env"].load(run("export", "web", "--format", "docker-env").stdout))
    assert loaded.pop("SHOP_CACHE_SIZE") == "64"
    assert loaded == {name: text for name, text in SHOP.items() if name != "shop.cache-size"}


def test_lines_cannot_go_where_docker_would_cut_them(run: Run) -> None:
    run("import", "web", str(DATA / "gateway.compose.env"))
    result = run("export", "web", "--format", "docker-env")
    assert (result.exit_code, result.stdout) == (65, "")
    assert "API_PEM" in result.stderr


def test_an_empty_member_name_is_refused_with_its_place_and_nothing_is_stored(run: Run, context: Context) -> None:
    result = run("import", "web", str(DATA / "feature.json"))
    assert result.exit_code == 65
    assert "feature.json" in result.stderr
    assert "''" in result.stderr
    assert _stored(context) == {}


@pytest.fixture
def feature(tmp_path: Path) -> str:
    """The file without the member that has no name."""
    path = tmp_path / "feature.json"
    lines = (DATA / "feature.json").read_text().splitlines()
    path.write_text("\n".join(line for line in lines if '"":' not in line))
    return str(path)


def test_json_keeps_the_text_of_numbers_and_the_characters_of_strings(
    run: Run, context: Context, feature: str
) -> None:
    result = run("import", "web", feature)
    assert result.exit_code == 0, result.output
    assert _stored(context) == FEATURE | {"flags/none": "null"}


def test_a_null_removes_the_key_and_is_no_text(run: Run, context: Context, feature: str) -> None:
    settings.edit(
        context, Scope(Env("_default"), App("web")), settings.Edit({"flags/none": "from below"}, yes=True)
    )
    run("import", "web", feature)
    document = settings.read(context, context.fresh(), WEB)["settings"]
    assert "flags/none" not in document
    variables = delivery.config(context, context.fresh(), WEB)["variables"]
    assert "FLAGS_NONE" not in variables
    assert [variables[name] for name in ("SERVICE_ID", "SERVICE_RATIO", "SERVICE_EXP", "SERVICE_NEG")] == [
        "9007199254740993",
        "1.10",
        "1E2",
        "-0",
    ]


def test_json_exported_reads_back_the_same(run: Run, context: Context, feature: str) -> None:
    run("import", "web", feature)
    text = run("export", "web", "--format", "json", "--own").stdout
    before = _stored(context)
    result = run("import", "web", "-", "--format", "json", "--replace", text=text)
    assert "nothing to change" in result.stderr, result.stderr
    assert _stored(context) == before


@pytest.mark.parametrize("text", ["A=1\nB='C:\\'\nNEXT=1\n", 'A=1\nT="unclosed\nU=after\n', "A=1\nexport B\n"])
def test_a_file_that_cannot_be_read_is_named_with_its_line_and_stores_nothing_b16(
    run: Run, context: Context, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "broken.env"
    path.write_text(text)
    result = run("import", "web", str(path))
    assert result.exit_code == 65
    assert "broken.env" in result.stderr
    assert "line 2" in result.stderr
    assert _stored(context) == {}


def test_five_keys_are_one_change(run: Run, context: Context, tmp_path: Path) -> None:
    path = tmp_path / "five.env"
    path.write_text("".join(f"K{number}=1\n" for number in range(5)))
    assert run("import", "web", str(path)).exit_code == 0
    assert context.fresh().heads[WEB.layer].number == 1


def test_a_file_of_nothing_but_a_byte_order_mark_is_no_error_b07(
    run: Run, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "bom.env"
    path.write_bytes(b"\xef\xbb\xbf")
    assert run("import", "web", str(path)).exit_code == 0
    assert _stored(context) == {}


def test_a_very_long_line_is_whole_b17(run: Run, context: Context, tmp_path: Path) -> None:
    path = tmp_path / "long.env"
    path.write_text(f"K={'x' * 70_000}\n")
    assert run("import", "web", str(path)).exit_code == 0
    assert _values(context) == {"K": "x" * 70_000}


@pytest.mark.parametrize("form", ["env", "docker-env"])
def test_a_text_like_a_reference_is_the_same_text_after_an_export_and_an_import(
    run: Run, context: Context, tmp_path: Path, form: str
) -> None:
    values: dict[str, Any] = {"A": "$${@x:address}", "B": "plain", "C": "${@db:address}"}
    settings.edit(context, WEB, Edit(values))
    exported = run("export", "web", "-e", "dev", "--format", form)
    assert "A=" in exported.stdout
    assert "left out: C refers to db:address" in exported.stderr
    file = tmp_path / "exported"
    file.write_text(exported.stdout)
    again = run("import", "other", str(file), "-e", "dev", "--format", form)
    assert again.exit_code == 0, again.stderr
    assert run("export", "other", "-e", "dev", "--format", form).stdout == exported.stdout


KEYED = sorted(name for name in FORMATS if FORMATS[name].keyed)


@pytest.mark.parametrize("form", KEYED)
def test_what_a_file_of_keys_holds_is_the_same_after_export_and_import_b18(
    run: Run, context: Context, tmp_path: Path, form: str
) -> None:
    texts = {"db/host": "h", "db/pool/size": "1.10", "LOG_LEVEL": "NO", "greeting": "ü: 'x' \"y\" # z", "e": ""}
    assert run("set", "web", *(f"{key}={text}" for key, text in texts.items())).exit_code == 0
    path = tmp_path / f"exported.{form}"
    exported = run("export", "web", "--format", form)
    assert exported.stderr == ""
    path.write_text(exported.stdout)
    result = run("import", "web", str(path), "--replace")
    assert "nothing to change" in result.stderr, result.output
    assert _values(context) == texts


def test_what_a_format_has_no_type_for_is_named_at_its_export(run: Run) -> None:
    run("import", "web", "-", "--format", "json", text='{"port": 8080, "on": true, "text": "8080"}')
    exported = run("export", "web", "--format", "properties")
    assert exported.stdout == "on=true\nport=8080\ntext=8080\n"
    assert "2 would differ" in exported.stderr
    assert "on, port\n" in exported.stderr
    assert run("export", "web", "--format", "toml").stderr == ""


def test_a_yaml_file_is_known_by_its_name(run: Run, context: Context) -> None:
    result = run("import", "web", str(DATA / "values.yaml"), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "region/country" in result.stdout
    assert _stored(context) == {}
    assert run("import", "web", str(DATA / "values.yaml")).exit_code == 0
    stored = _stored(context)
    assert (stored["limits/version"], stored["limits/zip"], stored["region/country"]) == ("1.10", '"01234"', '"NO"')


def test_properties_in_the_encoding_of_java_are_read_and_told_of(
    run: Run, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "a.properties"
    path.write_bytes("city=M\u00fcnchen\n".encode("iso-8859-1"))
    result = run("import", "web", str(path))
    assert result.exit_code == 0, result.output
    assert "a.properties is not UTF-8 (byte 6) and is read as ISO-8859-1" in result.stderr
    assert _values(context) == {"city": "München"}


@pytest.mark.parametrize("name", ["a.env", "a.json", "a.yaml", "a.toml"])
def test_any_other_file_that_is_not_utf_8_is_refused(run: Run, context: Context, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"city=M\xfcnchen\n")
    result = run("import", "web", str(path))
    assert result.exit_code == 65
    assert f"{name} is not UTF-8 (byte 6)" in result.stderr
    assert _stored(context) == {}


@pytest.mark.parametrize(("form", "text"), [("k8s-configmap", "debug"), ("k8s-secret", "ZGVidWc=")])
def test_a_manifest_has_the_app_s_name_and_its_variables(run: Run, context: Context, form: str, text: str) -> None:
    run("set", "web", "log/level=debug")
    exported = run("export", "web", "--format", form).stdout
    assert 'name: "web"\n' in exported
    assert f'LOG_LEVEL: "{text}"\n' in exported
    assert run("import", "copy", "-", "--format", form, text=exported).exit_code == 0
    copy = json.loads(run("get", "copy", "--reveal", "-o", "json").stdout)["settings"]["LOG_LEVEL"]
    assert (copy["value"], copy["secret"]) == ("debug", form == "k8s-secret")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("compose.yaml", COMPOSE), ("docker-compose.yml", COMPOSE), ("compose.prod.yml", COMPOSE),
        ("gateway.compose.env", "env"), ("my-compose.yaml", "yaml"), ("a/B.YML", "yaml"),
        ("mail.properties.xml", "xml"),
        ("a.TOML", "toml"), ("a.ini", "ini"), (".env", "env"), ("a", "env"), ("a.properties", "properties"),
    ],
)  # fmt: skip
def test_a_file_s_format_is_guessed_by_its_name(name: str, form: str) -> None:
    assert guessed(name) == form


def test_a_service_of_a_compose_file_is_imported_with_its_run_options(run: Run, context: Context) -> None:
    file = str(DATA / "compose.yaml")
    result = run("import", "web", file)
    assert result.exit_code == 65
    assert "compose.yaml: the file has the services web, worker" in result.stderr
    shown = run("import", "web", file, "--service", "web", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "left out: variable FROM_HOST has no value" in shown.stderr
    assert _stored(context) == {}
    result = run("import", "web", file, "--service", "web")
    assert result.exit_code == 0, result.output
    stored = _values(context)
    assert (stored["RATIO"], stored["PRICE"], stored["run/memory"]) == ("0.50", "5 $ each", "512M")
    assert stored["run/publish"] == ["8080:80", "127.0.0.1:2222:22", "19090:9090/udp"]
    again = run("import", "web", file, "--service", "web", "--replace")
    assert "nothing to change" in again.stderr
    assert run("import", "web", file, "--service", "web", "--prefix", "p").exit_code == 2


@pytest.mark.parametrize("file", ["hostile.xml", "mail.properties.xml"])
def test_an_xml_file_with_what_cannot_be_stored_stores_nothing_b48(run: Run, context: Context, file: str) -> None:
    result = run("import", "web", str(DATA / file))
    assert result.exit_code == 65
    assert file in result.stderr
    assert _stored(context) == {}


def test_a_key_that_is_no_shell_name_is_exported_as_its_variable_b21(run: Run) -> None:
    run("set", "web", "EXAMPLE-ACCESS-TOKEN=1", "a.b=2", "1X=3")
    for form in ("env", "compose-env", "docker-env"):
        assert run("export", "web", "--format", form).stdout == "A_B=2\nEXAMPLE_ACCESS_TOKEN=1\n_1X=3\n"


def test_a_secret_of_kubernetes_is_not_taken_for_plain_settings(run: Run, context: Context, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("apiVersion: v1\nkind: Secret\nstringData: {pw: canary-5a}\n")
    result = run("import", "web", str(file))
    assert (result.exit_code, "give --format k8s-secret" in result.stderr) == (Malformed.exit_code, True)
    assert run("import", "web", str(file), "--format", "k8s-secret").exit_code == 0
    assert "canary" not in run("diff", "web", str(file), "--format", "k8s-secret").output
    assert run("set", "other", "pw=open").exit_code == 0
    shown = run("diff", "other", str(file), "--format", "k8s-secret")
    assert (shown.exit_code, "canary" in shown.output, "pw" in shown.stdout) == (1, False, True)

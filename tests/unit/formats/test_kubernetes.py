"""Kubernetes: what is read of a ConfigMap and a Secret, what is refused, and what a cluster would take."""

from __future__ import annotations

import json

import pytest

from confd.errors import Invalid, Malformed
from confd.formats import kubernetes
from confd.jsontext import Number, Value

CONFIG_MAP = """\
\ufeffapiVersion: v1
kind: ConfigMap
metadata: {name: web, labels: {a: b}}
data:
  LOG_LEVEL: debug
  PORT: "8080"
  app.properties: |
    a=1
    b=2
"""


def read(text: str) -> dict[str, Value]:
    return dict(kubernetes.load(text))


def test_the_data_of_a_config_map_is_variables() -> None:
    assert read(CONFIG_MAP) == {"LOG_LEVEL": "debug", "PORT": "8080", "app.properties": "a=1\nb=2\n"}
    assert read('{"kind": "ConfigMap", "data": {"a": "b"}}') == {"a": "b"}
    assert read("kind: ConfigMap\n") == {}


def test_the_data_of_a_secret_is_decoded_and_plain_texts_stand_above_it() -> None:
    text = "kind: Secret\ndata: {a: w7w=, b: eA==}\nstringData: {b: y, c: z}\n"
    assert dict(kubernetes.load_secret(text)) == {"a": "ü", "b": "y", "c": "z"}


def test_what_is_no_text_is_left_out_and_told_of() -> None:
    text = "kind: ConfigMap\ndata: {a: b}\nbinaryData: {logo: AAAA, font: AAAA}\n"
    assert read(text) == {"a": "b"}
    assert kubernetes.warnings(text) == ["binaryData is no text, and is left out: logo, font"]
    assert kubernetes.warnings(CONFIG_MAP) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: 1\n", "one manifest of kind ConfigMap", id="other"),
        pytest.param("", "one manifest of kind ConfigMap", id="empty"),
        pytest.param("- a\n", "one manifest of kind ConfigMap", id="list"),
        pytest.param("kind: Secret\n", "of kind Secret; use the format k8s-secret", id="secret"),
        pytest.param("kind: ConfigMap\ndata: [a]\n", "data must be a mapping", id="list-of-data"),
        pytest.param("kind: ConfigMap\ndata: {PORT: 8080}\n", "data/PORT is no string.*quote it", id="number"),
        pytest.param("kind: ConfigMap\ndata: {a: b}\ndata: {a: c}\n", "line 3: 'data' stands again", id="b38"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(text)


@pytest.mark.parametrize("value", ["x", "w7w", "/w==", "é"])
def test_a_secret_that_is_no_text_is_refused_by_name_and_never_shown(value: str) -> None:
    with pytest.raises(Malformed, match="data/KEY is no base64 of UTF-8 text") as refused:
        kubernetes.load_secret(f"kind: Secret\ndata: {{KEY: '{value}'}}\n")
    assert refused.value.__cause__ is not None
    with pytest.raises(Malformed, match="use the format k8s-configmap"):
        kubernetes.load_secret(CONFIG_MAP)


def test_what_is_written_is_a_whole_manifest() -> None:
    assert kubernetes.manifest(kubernetes.NAME, {"PORT": Number("8080"), "A": "NO"}, "web") == (
        'apiVersion: "v1"\nkind: "ConfigMap"\nmetadata:\n  name: "web"\ndata:\n  PORT: "8080"\n  A: "NO"\n'
    )
    assert kubernetes.dump_secret({"A": "ü"}) == (
        'apiVersion: "v1"\nkind: "Secret"\nmetadata:\n  name: "settings"\ntype: "Opaque"\ndata:\n  A: "w7w="\n'
    )
    assert kubernetes.dump({}).endswith("data: {}\n")


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".", "..a", "x" * 254])
def test_a_name_that_a_cluster_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="cannot stand as a name"):
        kubernetes.dump({name: "x"})


def test_what_a_cluster_would_not_hold_is_refused() -> None:
    with pytest.raises(Invalid, match="k is null"):
        kubernetes.dump({"k": None})
    with pytest.raises(Invalid, match="a Secret holds 1048576 bytes at most"):
        kubernetes.dump_secret({"k": "x" * 1024 * 1024})
    assert len(kubernetes.dump({"k": json.dumps("x" * 1024 * 1023)})) > 1024 * 1023

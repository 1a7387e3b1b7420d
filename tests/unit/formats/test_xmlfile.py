"""XML: the properties form and plain trees, and that nothing is expanded and nothing outside the file is read."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from confd.errors import Invalid, Malformed
from confd.formats import xmlfile
from confd.jsontext import Number, Value

CASES = Path(__file__).parents[2] / "data" / "cases"


def read(text: str) -> dict[str, Value]:
    return dict(xmlfile.load(text))


@pytest.mark.parametrize(
    "text", ["<a/>", "\ufeff<properties/>", "<a>\n<!-- x &y; --></a>", "<?xml version='1.0'?><a/>"]
)
def test_a_document_without_values_is_empty_b07(text: str) -> None:
    assert read(text) == {}


def test_elements_within_elements_are_segments() -> None:
    text = "<c>\r\n <db><host>h</host><pool> 5 </pool><none/></db>\r\n <a-b>x\r\ny<![CDATA[&z;<]]></a-b>\n</c>"
    assert read(text) == {"db/host": "h", "db/pool": " 5 ", "db/none": "", "a-b": "x\ny&z;<"}


def test_the_properties_form_keeps_names_and_blanks() -> None:
    text = '<properties version="1.0"><comment>c</comment><entry key="a.b &amp; &#233;"> x </entry></properties>'
    assert read(text) == {"a.b & é": " x "}


def test_a_bomb_is_refused_before_anything_is_expanded_b39() -> None:
    with pytest.raises(Malformed, match=r"line \d+: ") as refused:
        read((CASES / "hostile.xml").read_text("utf-8"))
    assert socket.gethostname() not in refused.value.detail


@pytest.mark.parametrize(
    "reference", ['<!ENTITY x SYSTEM "{url}">', '<!ENTITY % x SYSTEM "{url}">', '<!ENTITY x "y">']
)
@pytest.mark.parametrize("used", ["", "&x;"])
def test_an_entity_is_refused_and_nothing_is_fetched_b48(reference: str, used: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with pytest.raises(Malformed, match=r"line 1: .*entit"):
            read(f"<!DOCTYPE l [{reference.format(url=url)}]><l><a>{used}</a></l>")
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_document_type_of_its_own_address_is_never_fetched_b48() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.dtd"
        assert read(f'<!DOCTYPE l SYSTEM "{url}"><l><a>1</a></l>') == {"a": "1"}
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "line 1: this is no XML: no element found", id="empty"),
        pytest.param("<a>\n<b>\n</a>", "line 3: this is no XML: mismatched tag", id="unclosed"),
        pytest.param("<a>\n&nbsp;</a>", "line 2: an entity of the file's own", id="entity"),
        pytest.param('<!DOCTYPE a SYSTEM "a">\n<a k="&x;"/>', "line 2: an entity", id="entity-in-a-name"),
        pytest.param("<a>\n<b>1</b>\n<b>2</b></a>", "line 3: 'b' stands again, first in line 2", id="b38"),
        pytest.param("<a>\n<b><c/></b>\n<b><d/></b></a>", "line 3: 'b' stands again", id="two-folders"),
        pytest.param("<a>\n<b k='1'/></a>", "line 2: <b> has attributes", id="attributes"),
        pytest.param("<a k='1'/>", "line 1: <a> has attributes", id="attributes-of-the-root"),
        pytest.param("<a>\n<b>x<c/></b></a>", "line 2: <b> holds text", id="mixed"),
        pytest.param("<a>x</a>", "line 1: <a> holds text", id="text-alone"),
        pytest.param("<properties>\n<x/></properties>", "line 2: <x> stands where", id="no-entry"),
        pytest.param("<properties>\n<entry/></properties>", "line 2: <entry> stands where", id="no-key"),
        pytest.param("<properties><comment>\n<comment/></comment></properties>", "line 2: <comment>", id="within"),
        pytest.param(
            "<properties>\n<entry key='a'/>\n<entry key='a'/></properties>",
            "line 3: 'a' stands again",
            id="b38-key",
        ),
        pytest.param(
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "line 1: the file says .* ISO-8859-1", id="latin"
        ),
        pytest.param("<a>" * 100, "line 1: nested more than", id="deep"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(text)


def test_it_is_written_in_the_properties_form() -> None:
    values: dict[str, Value] = {"db/port": Number("1.10"), 'a"\n': "<&>\r\n ]]>", "on": True}
    text = xmlfile.dump(values)
    assert '<entry key="a&quot;&#10;">&lt;&amp;&gt;&#13;\n ]]&gt;</entry>' in text
    assert read(text) == {"db/port": "1.10", 'a"\n': "<&>\r\n ]]>", "on": "true"}


@pytest.mark.parametrize("value", [None, "a\x00b", "\x1b", "\ufffe"])
def test_what_xml_cannot_hold_is_refused_by_name(value: Value) -> None:
    with pytest.raises(Invalid, match=r"k (is null|holds a control character)"):
        xmlfile.dump({"k": value})

"""Words of a schema in which it says nothing: no keyword, and none of ours. They are told, not refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from confd import jsontext
from confd.keys import show
from confd.validation.documents import X_WORDS
from confd.validation.tree import below
from confd.validation.words import like

__all__ = ["unknown_words"]

_WORDS = (
    "then else minContains maxContains contentEncoding contentMediaType contentSchema title description default "
    "deprecated readOnly writeOnly examples $schema $id $anchor $dynamicAnchor $comment $defs"
)
_KEYWORDS = frozenset((*Draft202012Validator.VALIDATORS, *_WORDS.split()))


def unknown_words(document: Any) -> Iterator[str]:
    """What is written in vain, each with where it stands."""
    for pointer, schema in below(document):
        for word in schema if isinstance(schema, Mapping) else ():
            known = X_WORDS if word.startswith("x-") else _KEYWORDS
            hint = like(word, known)
            if word not in known and (hint or not word.startswith("x-")):
                yield f"{pointer}{jsontext.pointer(word)}: {show(word)} is no keyword and checks nothing{hint}"

"""What a template may say: expressions, `if`, `for` and `set` over a closed set of values. Pure.

A list of what is allowed, not of what is forbidden: any other word of the language is refused where it stands. What
reaches for members, calls, compares or joins is put in other words, which filters of this package do: nothing is
ever looked up in a Python object, and all work is charged. There is no way to do anything without an end: no macro,
no recursion, and each loop says before it begins how often it goes round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from jinja2 import nodes

from confd.errors import Invalid
from confd.templates.filters import FILTERS, TESTS

__all__ = ["NAMES", "constants_of", "rewritten"]

NAMES = ("settings", "app", "env", "host")
"""What a template has beside the settings with plain names, which these names hide."""

CALLS = ("get", "range")
_TAKEN = (*NAMES, *CALLS, "loop", "self", "super", "caller", "varargs", "kwargs")
_LOOP = ("index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem")
_MEMBERS = ("items", "keys", "values")
MAX_DEPTH = 40
MAX_NUMBER = 2**53

_AS_THEY_ARE = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Assign, nodes.Tuple, nodes.List),
    *(nodes.Dict, nodes.Pair, nodes.Keyword, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.With),
)
_WORDS = {
    nodes.Extends: "extends",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter",
    nodes.AssignBlock: "a set over several lines",
    nodes.Scope: "autoescape",
    nodes.NSRef: "a namespace",
    nodes.Pow: "the power **",
}


def constants_of(tree: nodes.Template) -> frozenset[str]:
    """The keys that the template names as they are, whether it comes to them or not."""
    found: set[str] = set()
    for one in tree.find_all((nodes.Getitem, nodes.Getattr, nodes.Call, nodes.Compare)):
        found.update(_named(one))
    return frozenset(found)


def _named(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Getattr) and _is_name(node.node, "settings"):
        yield node.attr
    said: list[nodes.Node] = []
    if isinstance(node, nodes.Getitem) and _is_name(node.node, "settings"):
        said = [node.arg]
    elif isinstance(node, nodes.Call) and _is_name(node.node, "get"):
        said = list(node.args[:1])
    elif isinstance(node, nodes.Compare) and any(_is_name(one.expr, "settings") for one in node.ops):
        said = [node.expr]
    yield from (one.value for one in said if isinstance(one, nodes.Const) and isinstance(one.value, str))


def _is_name(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def rewritten(node: Any, depth: int = 0) -> Any:
    """The node with all below it, checked and in the words of this package. Raises `Invalid` with the line."""
    if depth > MAX_DEPTH:
        raise _refused(node, f"nested more than {MAX_DEPTH} deep")
    for kind, rewrite in _REWRITES.items():
        if isinstance(node, kind):
            return rewrite(node, depth)
    if not isinstance(node, _AS_THEY_ARE):
        word = _WORDS.get(type(node), type(node).__name__.lower())
        raise _refused(node, f"{word} is not possible in a template here")
    return _inner(node, depth)


def _inner(node: Any, depth: int) -> Any:
    """The node itself, with what is below it rewritten."""
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, nodes.Node):
            setattr(node, name, rewritten(value, depth + 1))
        elif isinstance(value, list):
            setattr(node, name, [_each(one, depth + 1) for one in value])
    return node


def _each(one: Any, depth: int) -> Any:
    return rewritten(one, depth) if isinstance(one, nodes.Node) else one


def _refused(node: nodes.Node, why: str) -> Invalid:
    line = node.lineno or next((one.lineno for one in node.find_all(nodes.Node) if one.lineno), 1)
    return Invalid(f"line {line}: {why}")


def _does(subject: nodes.Node, name: str, *more: nodes.Node) -> nodes.Filter:
    """The subject given to one of the package's own filters."""
    return nodes.Filter(subject, name, list(more), [], None, None, lineno=subject.lineno)


def _name(node: nodes.Name, depth: int) -> nodes.Node:
    if node.ctx != "load":
        if node.name in _TAKEN or node.name.startswith("_"):
            raise _refused(node, f"{node.name} cannot be set: the name is taken")
    elif node.name.startswith("_") or (node.name in _TAKEN and node.name not in NAMES):
        raise _refused(node, f"{node.name} is no value" + _instead(node.name))
    return node


def _instead(name: str) -> str:
    if name in CALLS:
        return f"; it is called, as {name}(...)"
    return "; it has members, as loop.index" if name == "loop" else ""


def _const(node: nodes.Const, depth: int) -> nodes.Node:
    if not isinstance(node.value, (str, bool, type(None))) and not abs(node.value) <= MAX_NUMBER:
        raise _refused(node, "the number is too large")
    return node


def _getattr(node: nodes.Getattr, depth: int) -> nodes.Node:
    if _is_name(node.node, "loop"):
        if node.attr not in _LOOP:
            raise _refused(node, f"loop has no {node.attr}; it has {', '.join(_LOOP)}")
        return node
    return _does(rewritten(node.node, depth + 1), "_member", _said(node, node.attr), _said(node, True))


def _getitem(node: nodes.Getitem, depth: int) -> nodes.Node:
    subject = rewritten(node.node, depth + 1)
    if isinstance(node.arg, nodes.Slice):
        bounds = [node.arg.start, node.arg.stop, node.arg.step]
        return _does(subject, "_slice", *(_bound(one, node, depth) for one in bounds))
    said = _said(node, isinstance(node.arg, nodes.Const))
    return _does(subject, "_member", rewritten(node.arg, depth + 1), said)


def _bound(node: nodes.Node | None, whole: nodes.Node, depth: int) -> nodes.Node:
    return _said(whole, None) if node is None else rewritten(node, depth + 1)


def _said(node: nodes.Node, value: object) -> nodes.Const:
    return nodes.Const(value, lineno=node.lineno)


def _call(node: nodes.Call, depth: int) -> nodes.Node:
    callee = node.node
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise _refused(node, "a call takes values alone, without names or *")
    arguments = [rewritten(one, depth + 1) for one in node.args]
    if _is_name(callee, "range"):
        return _does(nodes.List(arguments, lineno=node.lineno), "_range")
    if _is_name(callee, "get") and 1 <= len(arguments) <= 2:
        said = _said(node, isinstance(arguments[0], nodes.Const))
        return _does(nodes.Name("settings", "load", lineno=node.lineno), "_get", said, *arguments)
    if isinstance(callee, nodes.Getattr) and callee.attr in _MEMBERS and not arguments:
        return _does(rewritten(callee.node, depth + 1), callee.attr)
    known = "only get(KEY), get(KEY, DEFAULT), range(...) and .items() can be called"
    raise _refused(node, f"{known}; for all else there are filters")


def _filter(node: nodes.Filter, depth: int) -> nodes.Node:
    return _known(node, FILTERS, "filter", depth)


def _test(node: nodes.Test, depth: int) -> nodes.Node:
    return _known(node, TESTS, "test", depth)


def _known(node: nodes.Filter | nodes.Test, known: Collection[str], what: str, depth: int) -> nodes.Node:
    if node.name not in known:
        raise _refused(node, f"there is no {what} {node.name}; there are: {', '.join(sorted(known))}")
    if node.dyn_args or node.dyn_kwargs:
        raise _refused(node, f"a {what} takes no *")
    inner: nodes.Node = _inner(node, depth)
    return inner


def _compare(node: nodes.Compare, depth: int) -> nodes.Node:
    words = {"in": "_within", "notin": "_not_within"}
    first = rewritten(node.expr, depth + 1)
    if len(node.ops) == 1 and node.ops[0].op in words:
        return _does(first, words[node.ops[0].op], rewritten(node.ops[0].expr, depth + 1))
    if any(one.op in words for one in node.ops):
        raise _refused(node, "put what is compared with `in` in brackets of its own")
    node.expr = _weighed(first)
    for one in node.ops:
        one.expr = _weighed(rewritten(one.expr, depth + 1))
    return node


def _weighed(node: Any) -> nodes.Expr:
    return _does(node, "_weigh")


def _concat(node: nodes.Concat, depth: int) -> nodes.Node:
    return _does(nodes.List([rewritten(one, depth + 1) for one in node.nodes], lineno=node.lineno), "_concat")


def _cond(node: nodes.CondExpr, depth: int) -> nodes.Node:
    if node.expr2 is None:
        raise _refused(node, "an `if` within an expression needs its `else`")
    made: nodes.Node = _inner(node, depth)
    return made


def _for(node: nodes.For, depth: int) -> nodes.Node:
    if node.recursive:
        raise _refused(node, "a loop cannot be recursive")
    whole: Any = _inner(node, depth)
    cost = _said(node, sum(1 for _ in node.find_all(nodes.Node)))
    whole.iter = _does(whole.iter, "_each", cost)
    made: nodes.Node = whole
    return made


_REWRITES: dict[type[nodes.Node], Any] = {
    nodes.Name: _name,
    nodes.Const: _const,
    nodes.Getattr: _getattr,
    nodes.Getitem: _getitem,
    nodes.Call: _call,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Compare: _compare,
    nodes.Concat: _concat,
    nodes.CondExpr: _cond,
    nodes.For: _for,
}

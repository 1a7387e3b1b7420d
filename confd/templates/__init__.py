"""Files by template: Jinja2's language, so far as it can be run for somebody whom one does not trust. Pure.

The grammar says what is possible (`confd.templates.grammar`), values are a closed set (`values`), and all that is
done to them is bounded (`filters`). What is compiled then runs in Jinja2's own sandbox all the same.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from confd.errors import Invalid
from confd.keys import Key
from confd.templates.filters import BUDGET, FILTERS, OPERATORS, TESTS, count
from confd.templates.grammar import NAMES, constants_of, rewritten
from confd.templates.values import MAX_TEXT, Budget, Missing, Settings, TooMuch, number, text_of

__all__ = ["Budget", "Filled", "Template", "fill", "template_of"]


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be filled. `plain` are names that may be keys, `named` all keys that stand in it."""

    compiled: jinja2.Template
    plain: frozenset[str]
    named: frozenset[str]


@dataclass(frozen=True, slots=True)
class Filled:
    """The text, and the keys that it was made from: what was asked for, also where it is named and not set."""

    text: str
    keys: tuple[Key, ...]


@jinja2.pass_context
def _shown(context: jinja2.runtime.Context, value: Any) -> str:
    return text_of(value, context.parent[BUDGET])


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox with nothing in it but what this package gives, and numbers that stay within bounds."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        return count(operator, left, right)

    def call_unop(self, context: jinja2.runtime.Context, operator: str, arg: Any) -> Any:
        return number(super().call_unop(context, operator, number(arg)))


@functools.cache
def _environment() -> _Environment:
    made = _Environment(
        undefined=Missing,
        autoescape=False,
        keep_trailing_newline=True,
        optimized=False,
        finalize=_shown,
        cache_size=0,
    )
    made.globals.clear()
    made.filters.clear()
    made.tests.clear()
    made.filters.update({**FILTERS, **OPERATORS})
    made.tests.update(TESTS)
    return made


@functools.lru_cache(maxsize=256)
def template_of(text: str) -> Template:
    """The template of a text. Raises `Invalid` with the line that is none, or that asks for what there is not."""
    environment = _environment()
    try:
        tree = environment.parse(text)
        named = constants_of(tree)
        tree = rewritten(tree)
        plain = frozenset(meta.find_undeclared_variables(tree) - {*NAMES})
        compiled = jinja2.Template.from_code(environment, environment.compile(tree), environment.make_globals(None))
    except TemplateSyntaxError as exc:
        raise Invalid(f"line {exc.lineno}: {exc.message}") from exc
    except (ValueError, SyntaxError, OverflowError) as exc:
        raise Invalid("this is no template: a number in it is too long, or loops are nested too deep") from exc
    except (RecursionError, MemoryError) as exc:
        raise Invalid("this is no template: it is nested too deep") from exc
    return Template(compiled, plain, named | plain)


def fill(template: Template, texts: Mapping[Key, str], about: Mapping[str, str], budget: Budget) -> Filled:
    """The template with these settings (key to JSON text). `about` are the names app, env and host.

    Raises `Invalid`, with the line where there is one.
    """
    settings = Settings(texts)
    given: dict[str, Any] = {name: settings.get(name) for name in sorted(template.plain)}
    given = {name: value for name, value in given.items() if value is not None}
    variables = {**given, **about, "settings": settings, BUDGET: budget}
    size, parts = 0, list[str]()
    try:
        for part in template.compiled.root_render_func(template.compiled.new_context(variables)):
            size += len(part)
            if size > MAX_TEXT:
                raise TooMuch(f"it makes a file of more than {MAX_TEXT} characters")
            parts.append(part)
    except Invalid as exc:
        raise Invalid(f"{_where(exc.__traceback__, template.compiled)}{exc.detail}") from exc
    except (TemplateError, TypeError, ValueError, ArithmeticError) as exc:
        why = exc.message if isinstance(exc, TemplateError) else "what stands here cannot be done to these values"
        raise Invalid(f"{_where(exc.__traceback__, template.compiled)}{why}") from exc
    except (RecursionError, MemoryError) as exc:
        raise Invalid("values are nested too deep") from exc
    return Filled("".join(parts), tuple(key for key in settings.read if key in texts or key in template.named))


def _where(traceback: TracebackType | None, compiled: jinja2.Template) -> str:
    """The last line of the template that was come to."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is compiled:
            line = compiled.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return f"line {line}: " if line else ""

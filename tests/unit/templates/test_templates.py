"""Templates: what they can say, what they cannot, and that none of them takes more than its share."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import Invalid
from confd.keys import Key
from confd.templates import Budget, fill, template_of
from confd.templates.values import MAX_TEXT, WORK, json_value

SETTINGS = {
    "db/host": '"db1"',
    "db/port": "5432",
    "LOG_LEVEL": '"info"',
    "ratio": "1.10",
    "huge": "123456789012345678901234567890",
    "tiny": "-0",
    "far": "1e400",
    "on": "true",
    "names": '["b","a"]',
    "pool": '{"size":3,"deep":{"x":[1,null]}}',
    "big": f'"{"x" * 500_000}"',
    "bigger": f'"{"x" * 500_000}"',
}
TEXTS = {Key(key): text for key, text in SETTINGS.items()}
LISTS = 'b, aba ["a","b"] ["a","b"]'
ABOUT = {"app": "web", "env": "dev", "host": "h1"}


def filled(text: str) -> str:
    return fill(template_of(text), TEXTS, ABOUT, Budget()).text


def keys(text: str) -> set[str]:
    return set(fill(template_of(text), TEXTS, ABOUT, Budget()).keys)


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        filled(text)
    return refused.value.detail


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{ settings["db/host"] }}:{{ settings["db/port"] }}\n', "db1:5432\n"),
        ("{{ LOG_LEVEL }} {{ app }}@{{ env }} on {{ host }}", "info web@dev on h1"),
        ("{{ ratio }} {{ huge }} {{ tiny }} {{ far }} {{ on }}", f"1.10 {SETTINGS['huge']} -0 1e400 true"),
        ("{{ names }} {{ pool }}", '["b","a"] {"size":3,"deep":{"x":[1,null]}}'),
        ("{{ pool.size }} {{ pool.deep.x[0] }} {{ names[-1] }} {{ LOG_LEVEL[0] }}", "3 1 a i"),
        ("{{ names[1:] }} {{ LOG_LEVEL[:2] }} {{ LOG_LEVEL[::-1] }}", '["a"] in ofni'),
        ('{{ get("db/host") }} {{ get("x", 5) }} {{ get("x", get("LOG_LEVEL")) }}', "db1 5 info"),
        ('{{ x | default("d") }} {{ settings.x | d(1) }} {{ pool.x | default("n") }}', "d 1 n"),
        ('{{ "" | default("e", true) }}{{ "" | default("e") }}', "e"),
        ("{{ x is defined }} {{ LOG_LEVEL is defined }} {{ x is undefined }}", "false true true"),
        ("{{ ratio is number }} {{ on is number }} {{ on is boolean }} {{ none is none }}", "true false true true"),
        ("{{ names is sequence }} {{ pool is mapping }} {{ LOG_LEVEL is string }}", "true true true"),
        ('{{ "db/host" in settings }} {{ "x" not in settings }} {{ 1 in settings }}', "true true false"),
        ('{{ "a" in names }} {{ "nf" in LOG_LEVEL }} {{ "size" in pool }}', "true true true"),
        ("{{ 1 < 2 < 3 }} {{ LOG_LEVEL == 'info' }} {{ ratio > 1 }}", "true true true"),
        ("{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 4 }} {{ 2 * 3 - 1 }} {{ -(3) }} {{ +3 }}", "3 3.5 3 5 -3 3"),
        ("{{ settings['db/port'] + 1 }} {{ ratio + 1 }}", "5433 2.1"),
        ('{{ "a" ~ 1 ~ true ~ names }}', 'a1true["b","a"]'),
        ('{{ "x" if on else "y" }} {{ not on }} {{ on and "z" or "w" }}', "x false z"),
        ("{% if x is defined %}a{% elif on %}b{% else %}c{% endif %}", "b"),
        ("{% set a = 1 %}{% set b, c = [2, 3] %}{{ a + b + c }}{% with d = 4 %}{{ d }}{% endwith %}", "64"),
        ("{% for n in names %}{{ loop.index }}{{ n }}{% if not loop.last %},{% endif %}{% endfor %}", "1b,2a"),
        ("{% for k, v in pool.items() if v is number %}{{ k }}={{ v }}{% endfor %}", "size=3"),
        ("{% for k in pool %}{{ k }} {% endfor %}{% for x in [] %}{% else %}none{% endfor %}", "size deep none"),
        ("{% for k in settings if k == 'on' %}{{ k }}{% endfor %}{{ settings | length > 3 }}", "ontrue"),
        ("{% for i in range(2, 8, 3) %}{{ i }}{% endfor %}{{ range(2) }}", "25[0,1]"),
        ("{{ {'a': [1.5, none]} | json }} {{ 'é\"' | tojson }}", '{"a":[1.5,null]} "é\\""'),
        ("{{ 'a\"\\\\\x7f' | toml_string }}", '"a\\"\\\\\\u007f"'),
        ('{{ \'<a b="c">&\' | xml }}{{ "\'" | xml }}', "&lt;a b=&quot;c&quot;&gt;&amp;&apos;"),
        ('{{ "it\'s" | quote }}', "'it'\"'\"'s'"),
        ("{{ ' a=é\n😀\\\\' | properties }}", "\\ a=\\u00e9\\n\\ud83d\\ude00\\\\"),
        ("{{ names | join(', ') }}{{ names | join }} {{ 'a,b' | split(',') }} {{ 'a  b' | split }}", LISTS),
        (
            "{{ 'aXbX' | replace('X', '--') }} {{ ' a ' | trim }} {{ 'aB' | upper }}{{ 'aB' | lower }}",
            "a--b-- a ABab",
        ),
        ("{{ 'a\n\nb' | indent(2) }}|{{ 'a\nb' | indent(1, true) }}", "a\n\n  b| a\n b"),
        ("{{ names | first }}{{ names | last }}{{ names | sort }}{{ names | sort(true) }}", 'ba["a","b"]["b","a"]'),
        (
            "{{ pool | keys }} {{ pool | values | length }} {{ pool | dictsort | first | first }}",
            '["size","deep"] 2 deep',
        ),
        ("{{ settings | below('db') }} {{ pool | items | length }}", '{"host":"db1","port":5432} 2'),
        ("{{ names | count }} {{ LOG_LEVEL | length }}", "2 4"),
        ("{{ '5' | int + 1 }} {{ ratio | int }} {{ '2.5' | float }} {{ 5 | string ~ '' }}", "6 1 2.5 5"),
        ("no template at all: % { } # $", "no template at all: % { } # $"),
        ("a{# a comment #}b\n\n", "ab\n\n"),
        ("{%- if on %}\n x\n{%- endif %}\n", "\n x\n"),
        ("{{ settings.items() | length > 1 }}{{ settings.keys() | length > 1 }}", "truetrue"),
    ],
)
def test_what_a_template_can_say(template: str, text: str) -> None:
    assert filled(template) == text


def test_all_settings_as_json_keep_the_text_of_numbers() -> None:
    settings = {Key("a"): "1.10", Key("b"): '"x"'}
    assert fill(template_of("{{ settings }}"), settings, ABOUT, Budget()).text == '{"a":1.10,"b":"x"}'


@pytest.mark.parametrize(
    ("template", "read"),
    [
        ("{{ LOG_LEVEL }} {{ app }}", {"LOG_LEVEL"}),
        ('{{ settings["db/host"] }}{{ settings.ratio }}', {"db/host", "ratio"}),
        ('{{ get("x", 1) }}{{ y | default(1) }}{{ settings.z is defined }}', {"x", "y", "z"}),
        ('{% if on %}{{ settings["db/host"] }}{% else %}{{ settings["db/port"] }}{% endif %}', {"on", "db/host"}),
        ('{{ "db/host" in settings }}', {"db/host"}),
        ("{{ settings | below('db') }}", {"db/host", "db/port"}),
        ("{% for key in settings %}{% endfor %}", set(SETTINGS)),
        ("{{ settings | length }}", set(SETTINGS)),
        ("{% for key in names %}{{ key }}{% endfor %}", {"names"}),
        ("{{ settings[LOG_LEVEL] | default(1) }}", {"LOG_LEVEL"}),
        ("nothing", set()),
    ],
)
def test_the_keys_of_a_file_are_those_that_were_asked_for(template: str, read: set[str]) -> None:
    assert keys(template) == read


def test_what_a_template_may_come_to_is_known_without_filling_it() -> None:
    text = '{% if x %}{{ settings["a/b"] }}{{ settings.c }}{% else %}{{ get("d", get("e", 1)) }}{% endif %}'
    assert template_of(text + '{{ "f" in settings }}{{ settings[x] }}{{ 1 in [2] }}').named == set("xcdef") | {
        "a/b"
    }


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("a\nb {{ x }}", "line 2: there is no setting x"),
        ('{{ settings["db/name"] }}', "line 1: there is no setting db/name"),
        ('{{ get("db/name") }}', "line 1: there is no setting db/name"),
        ("{{ pool.x }}", "line 1: there is no member x"),
        ("{{ pool.x.y }}", "there is no member x"),
        ("{% if x %}{% endif %}", "there is no setting x"),
        ("{% for a in x %}{% endfor %}", "there is no setting x"),
        ("{{ x + 1 }}", "there is no setting x"),
        ("{{ x == 1 }}", "there is no setting x"),
        ("{{ x ~ 1 }}", "there is no setting x"),
        ("{{ x is string }}", "there is no setting x"),
        ("{{ x.items() }}", "there is no setting x"),
        ("{{ [] | first }}", "the list is empty"),
        ("{{ [] | last }}", "the list is empty"),
        ("{% for a in [1] %}{{ loop.previtem }}{% endfor %}", "there is no previous item"),
    ],
)
def test_what_is_missing_is_an_error_that_names_it(template: str, says: str) -> None:
    assert says in refusal(template)


@pytest.mark.parametrize("template", ["{{ settings[LOG_LEVEL] }}", "{{ pool[LOG_LEVEL] }}", "{{ get(LOG_LEVEL) }}"])
def test_no_error_tells_a_value(template: str) -> None:
    assert "there is no such" in refusal(template)
    assert "info" not in refusal(template)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("a\n{% if on %}\n{{", "line 3: unexpected 'end of template'"),
        ("a\n{% nothing %}", "line 2: Encountered unknown tag 'nothing'"),
        ("{% if on %}", "line 1: Unexpected end of template"),
        ('{% include "/etc/passwd" %}', "line 1: include is not possible"),
        ('{% import "a" as b %}', "import is not possible"),
        ('{% from "a" import b %}', "import is not possible"),
        ('{% extends "a" %}', "extends is not possible"),
        ("{% block a %}{% endblock %}", "block is not possible"),
        ("{% macro a() %}{{ a() }}{% endmacro %}", "macro is not possible"),
        ("{% call a() %}{% endcall %}", "call is not possible"),
        ("{% filter upper %}a{% endfilter %}", "filter is not possible"),
        ("{% set a %}b{% endset %}", "a set over several lines is not possible"),
        ("{% set ns.a = 1 %}", "a namespace is not possible"),
        ("{% autoescape true %}a{% endautoescape %}", "line 1: autoescape is not possible"),
        ("{% for a in [1] recursive %}{% endfor %}", "cannot be recursive"),
        ("{{ 1 if on }}", "needs its `else`"),
        ("{{ 2 ** 9 }}", "the power ** is not possible"),
        ("{{ a | nothing }}", "there is no filter nothing; there are: below, count"),
        ("{{ a is nothing }}", "there is no test nothing; there are: boolean"),
        ("{{ 'a' | _member('b') }}", "there is no filter _member"),
        ("{{ names | join(*names) }}", "takes no *"),
        ("{{ a() }}", "can be called"),
        ("{{ 'a'.upper() }}", "can be called"),
        ("{{ pool.items(1) }}", "can be called"),
        ("{{ get() }}", "can be called"),
        ("{{ range(*names) }}", "takes values alone"),
        ("{{ get(key='a') }}", "takes values alone"),
        ("{{ get }}", "get is no value; it is called, as get(...)"),
        ("{{ loop }}", "loop is no value; it has members"),
        ("{% for a in names %}{{ loop.cycle }}{% endfor %}", "loop has no cycle; it has index"),
        ("{{ self }}", "self is no value"),
        ("{{ _budget }}", "_budget is no value"),
        ("{% set _budget = 1 %}", "_budget cannot be set"),
        ("{% set settings = 1 %}", "settings cannot be set"),
        ("{% for app in [1] %}{% endfor %}", "app cannot be set"),
        ("{{ 1 < 2 in names }}", "in brackets of its own"),
        ("{{ 99999999999999999999 }}", "the number is too large"),
        ("{{ 1e999 }}", "the number is too large"),
        (f"{{{{ {'9' * 5000} }}}}", "a number in it is too long"),
        (f"{{{{ {'(' * 5000}1{')' * 5000} }}}}", "nested too deep"),
        (f"{{{{ {'[' * 60}1{']' * 60} }}}}", "nested more than 40 deep"),
        ("{% for a in [1] %}" * 25 + "{% endfor %}" * 25, "loops are nested too deep"),
    ],
)
def test_what_is_no_template_is_refused_with_its_line_before_it_is_filled(template: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        template_of(template)
    assert says in refused.value.detail


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ 1 < 'a' }}", "cannot be done to these values"),
        ("{% set a, b = [1] %}", "cannot be done to these values"),
        ("{% for a in settings[1] %}{% endfor %}", "there is no member 1"),
        ("{{ {[1]: 2} }}", "cannot be done to these values"),
        ("{{ {1: 2} }}", "the names in an object are texts"),
        ("{{ [1, 'a'] | sort }}", "cannot be done to these values"),
        ("{{ 1 / 0 }}", "a division by 0"),
        ("{{ 'a' + 'b' }}", "only numbers can be counted with; for texts there is ~"),
        ("{{ true + 1 }}", "only numbers can be counted with"),
        ("{{ -'a' }}", "only numbers can be counted with"),
        ("{{ far + 1 }}", "a number becomes too large"),
        ("{{ '\x01' | xml }}", "XML cannot hold"),
        ("{{ 'a' | split('') }}", "split needs"),
        ("{{ 'a' | replace('', 'b') }}", "replace needs"),
        ("{{ 'a' | int }}", "int: this is no number"),
        ("{{ 'a' | float }}", "float: this is no number"),
        ("{{ '1e999' | float }}", "too large"),
        ("{{ 1 | items }}", "have members"),
        ("{% for a in 1 %}{% endfor %}", "can be gone over"),
        ("{{ pool | below('a') }}", "below is for settings"),
        ("{{ settings == settings }}", "settings cannot be compared"),
        ("{{ 1[1:] }}", "only a part of a text or of a list"),
        ("{{ names['a':] }}", "only a part of a text or of a list"),
        ("{{ range('a') }}", "only numbers"),
        ("{{ range() }}", "range() takes one to three"),
        ("{{ range(1, 2, 0) }}", "range() takes one to three"),
        ("{{ range(1.5) }}", "range() takes one to three"),
    ],
)
def test_what_cannot_be_done_is_told(template: str, says: str) -> None:
    assert says in refusal(template)


HOSTILE = [
    "{% set s = [1] %}" + "{% set s = [s] %}" * 2000 + "{{ s }}",
    "{{ 'a' * 10**9 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ [0] * 1000000000 }}",
    "{{ 9999999999 * 9999999999 }}",
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% for i in range(-1000000000, 1000000000) %}x{% endfor %}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "{% for a in range(9999) if a in range(9999) %}{% endfor %}",
    "{% for a in range(9999) %}" + "y" * 50_000 + "{% endfor %}",
    "{% set s = 'aaaaaaaa' %}" + "{% set s = s ~ s %}" * 100 + "{{ s }}",
    "{% set s = [1] %}" + "{% set s = [s, s] %}" * 100 + "{{ s == s }}",
    "{% set s = {'a': 1} %}" + "{% set s = {'a': s, 'b': s} %}" * 60 + "{{ s == s }}",
    "{% for i in range(9999) %}{% if big == bigger %}{% endif %}{% endfor %}",
    "{% for i in range(9999) %}{{ big }}{% endfor %}",
    "{{ [big, big, big] | join }}",
    "{{ [big, big, big, big] }}",
    "{{ big ~ big ~ big }}",
    "{{ 'a' | indent(1000000000) }}",
    "{{ big | replace('x', big) }}",
    "{{ ([1] * 9) | join(big) }}",
    "{{ range(9999) | join(big) }}",
    *("{% for i in range(999) %}{% set a = big | " + one + " %}{% endfor %}" for one in ("json", "quote", "upper")),
    "{% for i in range(999) %}{% set a = big | split('x') | sort %}{% endfor %}",
    "{% for i in range(9999) %}{% set a = big[::2] %}{% endfor %}",
    "{% for i in range(9999) %}{{ settings[big] | default('') }}{% endfor %}",
    "{{ (1).__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ settings.__class__ }}",
    "{{ settings._values }}",
    "{{ settings['texts'] }}",
    "{{ self.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler() }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '%s' | format(1) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ [1] | batch(1000000000) }}",
    "{{ names | map('upper') }}",
    "{{ names | attr('append') }}",
    "{{ names.append(1) }}",
    "{{ pool.update }}",
    "{{ loop.__class__ }}",
    "{% for a in names %}{{ loop._iterable }}{% endfor %}",
]


LASTING = [
    "{% for i in range(9999) %}{% if 'xy' in big %}{% endif %}{% endfor %}",
    *("{% for i in range(999) %}{% set a = big | " + one + " %}{% endfor %}" for one in ("xml", "properties")),
    "{% set s = [1] %}" + "{% set s = [s, s] %}" * 36 + "{{ s }}",
]


@pytest.mark.parametrize("template", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_hostile_is_refused_within_its_budget(template: str) -> None:
    with pytest.raises(Invalid):
        filled(template)


@pytest.mark.exhaustive
@pytest.mark.parametrize("template", LASTING, ids=range(len(LASTING)))
def test_what_takes_its_whole_budget_is_refused_too(template: str) -> None:
    with pytest.raises(Invalid):
        filled(template)


def test_nothing_outside_the_closed_set_becomes_text() -> None:
    with pytest.raises(Invalid, match="this is no value"):
        json_value(object(), Budget())


def test_all_templates_of_a_binding_have_one_budget() -> None:
    budget = Budget()
    template = template_of("{% for a in range(9000) %}{% set b = a %}{% endfor %}")
    fill(template, TEXTS, ABOUT, budget)
    once = WORK - budget.left
    for _ in range(budget.left // once):
        fill(template, TEXTS, ABOUT, budget)
    with pytest.raises(Invalid, match="too much work"):
        fill(template, TEXTS, ABOUT, budget)


def test_a_file_may_be_as_long_as_the_bound_and_no_longer() -> None:
    template = template_of("{{ a }}{{ a }}")
    half = {Key("a"): f'"{"x" * (MAX_TEXT // 2)}"'}
    assert len(fill(template, half, ABOUT, Budget()).text) == MAX_TEXT
    more = {Key("a"): f'"{"x" * (MAX_TEXT // 2 + 1)}"'}
    with pytest.raises(Invalid, match="a file of more than"):
        fill(template, more, ABOUT, Budget())


SAID = """app settings get range loop big names pool 'x' 1 9999 2.5 none true . [ ] ( ) { } ~ + * ** // % - , : | ==
< in not and if else is defined string join json sort split items _each __class__ format upper default"""
WORDS = st.sampled_from(SAID.split())


@given(st.lists(WORDS, max_size=12), st.sampled_from(["{{ %s }}", "{%% for b in %s %%}{{ b }}{%% endfor %%}"]))
def test_whatever_it_says_it_gives_a_text_or_says_why_not(words: list[str], frame: str) -> None:
    budget = Budget()
    with contextlib.suppress(Invalid):
        assert len(fill(template_of(frame % " ".join(words)), TEXTS, ABOUT, budget).text) <= MAX_TEXT
        assert budget.left >= 0

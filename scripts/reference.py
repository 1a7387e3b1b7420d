"""The pages of docs/reference, made from registries and schemas; `make reference` writes them.

It adds no descriptions of its own: what a page says of a thing stands where the thing is defined. A thing
without a description is an error. Output depends on the sources alone, not on the machine.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_type_hints

import click

from confd import config, errors, ports
from confd.actions import ACTIONS
from confd.agent.figures import AGENT_METRICS
from confd.api.app import create_app
from confd.api.asgi import NATIVE
from confd.api.metrics import API_METRICS
from confd.binding import WORDS
from confd.cli.files import BY_NAME
from confd.cli.program import confctl
from confd.formats import FORMATS
from confd.jsontext import Value
from confd.keys import Key
from confd.metrics import Metric
from confd.model import VariablesRule
from confd.options import OPTIONS, UNSUPPORTED
from confd.options.schema import run_options_schema
from confd.policies import PRESETS, preset_rules
from confd.render import variable_name
from confd.services.context import Context
from confd.shim.options import USAGE_TEXT
from confd.targets import TARGETS
from confd.validation import documents, engine
from scripts.markdown import block, code, codes, first_line, page, table, words_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
SAMPLE: Mapping[str, Value] = {"LOG_LEVEL": "debug", "GREETING": "hello, world", "db/pool-size": 12}


# --- pages ------------------------------------------------------------------------------------------------


def run_options() -> str:
    rows = [
        [
            code(f"run/{option.name}"),
            option.doc,
            option.form,
            codes(json.dumps(example, ensure_ascii=False) for example in option.examples[:1]),
            "in place" if option.live else "new container",
            "" if option.limit else code(f"--allow-run {option.name}"),
        ]
        for option in OPTIONS.values()
    ]
    return page(
        "Run options",
        words_of(_module("confd.options")).split("\n\n")[0],
        "The same as a JSON Schema, with examples: [schemas/run-options.schema.json]"
        "(../../schemas/run-options.schema.json).",
        table(["key", "what", "accepted", "like", "a change needs", "the agent needs"], rows),
        "Refused, each with what to do instead:",
        table(["key", "instead"], [[code(f"run/{name}"), words] for name, words in UNSUPPORTED.items()]),
    )


def binding() -> str:
    schema = json.loads((ROOT / "schemas" / "binding.schema.json").read_text("utf-8"))
    rows = [list(row) for row in _fields(schema, schema["$defs"], "")]
    return page(
        "Binding",
        schema["description"],
        table(["field", "type", "default", "what"], rows),
        "\n".join(
            f"- {one['title']}: {one['description']}" for one in schema["$defs"].values() if "description" in one
        ),
        f"Actions: {codes([*(action.NAME for action in ACTIONS), *WORDS])}, see [actions](actions.md). "
        f"Formats: {codes(FORMATS)}, see [formats](formats.md).",
    )


def _fields(schema: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each field, those below it after it."""
    for name, given in schema.get("properties", {}).items():
        if "description" not in given:
            raise LookupError(f"schema: {path}{name} has no description")
        one = {**defs[given["$ref"].rpartition("/")[2]], **given} if "$ref" in given else given
        items = one.get("items", {}) if one.get("type") == "array" else {}
        needed = ", required" if name in schema.get("required", ()) else ""
        default = code(json.dumps(one["default"])) if "default" in one else ""
        yield code(f"{path}{name}"), _type(one) + needed, default, one["description"]
        yield from _fields(one, defs, f"{path}{name}.")
        yield from _fields(items, defs, f"{path}{name}[].")


def _type(schema: Mapping[str, Any]) -> str:
    if "title" in schema:
        return str(schema["title"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}s"
    values = schema.get("additionalProperties")
    return f"object of {_type(values)}s" if isinstance(values, Mapping) else str(schema["type"])


def policies() -> str:
    schema = json.loads((ROOT / "schemas" / "policy.schema.json").read_text("utf-8"))
    rows = [list(row) for row in _fields(schema, {}, "")]
    parts = [schema["description"], table(["field", "type", "default", "what"], rows)]
    for name in PRESETS:
        shipped = json.loads((ROOT / "schemas" / "policies" / f"{name}.json").read_text("utf-8"))
        rules = [[code(rule.id), codes(rule.about), rule.title, rule.why, rule.mend] for rule in preset_rules(name)]
        heading = f"## Preset {name}\n\n{shipped['description']}"
        parts += [heading, table(["rule", "of the options", "asks for", "why", "what to do"], rules)]
    waiting = {rule.id for name in PRESETS for rule in preset_rules(name) if not set(rule.about) & set(OPTIONS)}
    if waiting:
        parts.append(
            f"Not judged yet, since agents of this release do not tell of these options: {codes(sorted(waiting))}."
        )
    return page("Policies", *parts)


def app_schemas() -> str:
    rows = [[code(f"x-{name}"), words] for name, words in documents.WORDS.items()]
    return page(
        "Schemas",
        words_of(_module("confd.validation")).split("\n\n")[0],
        words_of(documents).split("\n\n", 1)[1],
        "Beside the keywords of draft 2020-12:",
        table(["word", "what"], [["`default`", documents.DEFAULT_WORDS], *rows]),
        "`format` is checked; a format that is not here is refused when the schema is stored:",
        table(["format", "accepted"], [[code(name), words] for name, words in engine.FORMATS.items()]),
    )


def actions() -> str:
    rows = [
        [code(action.NAME), action.REACH.word, codes(one.__name__ for one in action.REQUIRES), first_line(action)]
        for action in ACTIONS
    ]
    rows += [[code(name), "", "", words] for name, words in WORDS.items()]
    return page(
        "Actions",
        first_line(_module("confd.actions")),
        table(["action", "reach", "the target needs", "what"], rows),
        "What a target is able to do: see [targets](targets.md).",
    )


def formats() -> str:
    parts: list[str] = []
    for one in FORMATS.values():
        sample = {key if one.keyed else variable_name(Key(key), VariablesRule()): it for key, it in SAMPLE.items()}
        words = words_of(_module(one.load.__module__)).partition("\n\n")[2]
        parts += [f"## {one.name}", one.doc[0].upper() + one.doc[1:] + ".", words, block(one.dump(sample))]
    known = ", ".join(f"{end} {code(name)}" for end, name in sorted(BY_NAME.items()))
    head = (
        "The same three settings in each format, by their keys or as variables. `confctl import` knows a file by "
        f"the end of its name ({known}); any other is {code('env')}, unless `--format` says more."
    )
    return page("Formats", head, *parts)


def targets() -> str:
    able = [one for one in ports.Engine.__mro__ if one.__module__ == ports.__name__ and one is not ports.Engine]
    able = [one for one in able if one is not ports.Target]
    rows = [[code(name), codes(_abilities(made, able)), first_line(made)] for name, made in TARGETS.items()]
    return page(
        "Targets",
        first_line(ports.Target),
        table(["target", "able to do", "what"], rows),
        table(["ability", "what"], [[code(one.__name__), first_line(one)] for one in able]),
    )


def _abilities(target: Any, able: Sequence[type]) -> Iterator[str]:
    made = target if inspect.isclass(target) else get_type_hints(target)["return"]
    for one in able:
        methods = [name for name, what in vars(one).items() if inspect.isfunction(what) and name[0] != "_"]
        if all(hasattr(made, name) for name in methods):
            yield one.__name__


def error_classes() -> str:
    found = [getattr(errors, name) for name in errors.__all__]
    found = sorted(found, key=lambda one: (one.status, one.code))
    rows = [
        [code(one.code), str(one.status), str(one.exit_code), "yes" if one.retryable else "no", first_line(one)]
        for one in found
        if one is not errors.ConfdError
    ]
    base = errors.ConfdError
    rows.append([code(base.code), str(base.status), str(base.exit_code), "no", "A fault of the program itself."])
    return page(
        "Errors",
        words_of(errors).split("\n\n")[-1],
        table(["code", "HTTP status", "exit code", "a later try may succeed", "meaning"], rows),
    )


def configuration() -> str:
    rows = []
    for flag in dict.fromkeys((config.CONFIG_FILE, *config.SERVER_FLAGS, *config.AGENT_FLAGS)):
        programs = [
            program
            for program, its in (("confd-server", config.SERVER_FLAGS), ("confd-agent", config.AGENT_FLAGS))
            if flag in its or flag is config.CONFIG_FILE
        ]
        member = "" if flag is config.CONFIG_FILE else code(flag.name)
        rows.append([code(flag.variable), member, ", ".join(programs), _kind(flag) + flag.help])
    return page(
        "Configuration",
        words_of(config),
        "## confd-server and confd-agent",
        table(["variable", "in the file", "program", "what"], rows),
        "## confctl",
        words_of(_module("confd.cli.scope")),
        table(["variable", "option", "what"], _client_variables()),
        "## confd-entrypoint",
        "Its variables are those of its options: see [its usage](cli.md#confd-entrypoint).",
    )


def _kind(flag: config.Flag) -> str:
    return "true or false: " if flag.switch else ""


def _client_variables() -> Iterator[list[str]]:
    for option in confctl.params:
        help_text, _, rest = (getattr(option, "help", "") or "").partition("[env: ")
        for name in filter(None, rest.rstrip("]").split(", ")):
            yield [code(name), code(option.opts[-1]), help_text.strip()]


def cli() -> str:
    parts = ["## confctl", *_command(confctl, "confctl", [])]
    common = [option.name for option in confctl.params if option.name != "version"]
    for name, command in _commands(confctl, "confctl"):
        parts += [f"## {name}", *_command(command, name, common)]
    parts += ["## confd-server", block("confd-server [OPTIONS] up|api"), _flags(config.SERVER_FLAGS)]
    parts += ["## confd-agent", block("confd-agent [OPTIONS]"), _flags(config.AGENT_FLAGS)]
    parts += ["## confd-entrypoint", block(USAGE_TEXT)]
    return page("Commands", "Variables for the options: see [configuration](configuration.md).", *parts)


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _command(command: click.Command, path: str, common: Sequence[str | None]) -> Iterator[str]:
    """Usage, help, and the options beside those that every command takes."""
    context = click.Context(command, info_name=path)
    yield block(" ".join([path, *command.collect_usage_pieces(context)]))
    if not command.help:
        raise LookupError(f"{path} has no docstring")
    for paragraph in inspect.cleandoc(command.help).split("\n\n"):
        words, mark, verbatim = paragraph.partition("\b\n")
        yield block(verbatim) if mark else words
    rows = [
        list(record)
        for option in command.get_params(context)
        if isinstance(option, click.Option)
        and option.name not in (*common, "help")
        and (record := option.get_help_record(context)) is not None
    ]
    if rows:
        yield table(["option", "what"], [[code(names), words] for names, words in rows])
    if command.epilog:
        yield command.epilog


def _flags(flags: Sequence[config.Flag]) -> str:
    rows = [[code("--config X"), config.CONFIG_FILE.help.partition(";")[0]]]
    rows += [[code(f"--{flag.name}" + ("" if flag.switch else " X")), flag.help] for flag in flags]
    return table(["option", "what"], rows)


def api() -> str:
    routes = sorted(_routes(), key=lambda one: one[:2])
    rows = [[code(f"{method} {path}"), first_line(view)] for path, method, view in routes]
    parts = [table(["route", "what"], rows)]
    for path, method, view in routes:
        parts += [f"## {method} {path}", *words_of(view).split("\n\n")]
    return page("HTTP API", *parts)


def _routes() -> Iterator[tuple[str, str, Any]]:
    """Path, method and view of every route."""
    app = create_app(cast(Context, None), {})
    native = [(path, {method}, view) for (method, path), view in NATIVE.items()]
    ours = [
        (rule.rule, rule.methods or set(), app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()
    ]
    for path, methods, view in [*ours, *native]:
        for method in methods - {"HEAD", "OPTIONS"}:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), method, view


def links_of(text: str) -> list[str]:
    """The targets of a page's links to other files."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


def _module(name: str) -> Any:
    __import__(name)
    return sys.modules[name]


def metrics() -> str:
    def rows(metrics: Sequence[Metric]) -> str:
        listed = ([code(one.name), one.kind, codes(one.labels), one.help] for one in metrics)
        return table(["name", "kind", "labels", "what"], listed)

    parts = ("## Agent", rows(AGENT_METRICS), "## API", rows(API_METRICS))
    process = "Both also have `process_...`: processor time, memory and open files of the program itself."
    return page("Metrics", words_of(_module("confd.metrics")).split("\n\n")[1], *parts, process)


def references() -> str:
    modules = map(_module, ("confd.references", "confd.discovery"))
    return page("References", *(words_of(one).rpartition("\n\n")[0] for one in modules))


PAGES: Mapping[str, Callable[[], str]] = {
    "actions.md": actions,
    "api.md": api,
    "binding.md": binding,
    "cli.md": cli,
    "configuration.md": configuration,
    "errors.md": error_classes,
    "formats.md": formats,
    "metrics.md": metrics,
    "policies.md": policies,
    "references.md": references,
    "run-options.md": run_options,
    "schemas.md": app_schemas,
    "targets.md": targets,
}


def pages() -> dict[str, str]:
    """Each page's text by its file's name, and the list of all of them."""
    made = {name: make() for name, make in PAGES.items()}
    titles = {name: text.split("\n# ", 1)[1].split("\n", 1)[0] for name, text in made.items()}
    made["README.md"] = page("Reference", "\n".join(f"- [{title}]({name})" for name, title in titles.items()))
    return made


def schemas() -> dict[str, str]:
    """The schemas that are made from registries, by their files' names."""
    return {"run-options.schema.json": json.dumps(run_options_schema(), indent=2, ensure_ascii=False) + "\n"}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")
    for name, text in schemas().items():
        (ROOT / "schemas" / name).write_text(text, "utf-8")
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    print(f"reference: {len(made)} pages in docs/reference")


if __name__ == "__main__":
    main()

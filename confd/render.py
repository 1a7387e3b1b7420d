"""What an app's containers are due: variables, run options, arguments and files, with their digests.

Pure. What cannot be rendered is left out and told as a `Problem`, so that one unusable key never keeps a whole
app from starting; the write path refuses a change that brings a new problem in.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confd import jsontext
from confd.errors import ConfdError
from confd.formats import FORMATS
from confd.keys import Key, is_run_option, matches, option_of
from confd.model import (
    Binding,
    BindingFile,
    Problem,
    Rendered,
    RenderedFile,
    Resolved,
    Secrets,
    Setting,
    VariablesRule,
    frozen,
)
from confd.options import OPTIONS, UNSUPPORTED, conflicts
from confd.secret import Digest, DigestKey, masked
from confd.secretfiles import FOLDER, MODE, is_secret_path
from confd.templates import Budget, fill, template_of

__all__ = ["FILE", "render", "selected", "text_of", "variable_name"]

_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = re.compile(r"PATH|HOME|LD_.*|CONFD_.*")


def variable_name(key: Key, rule: VariablesRule) -> str:
    """The variable's name of a key: renamed, else verbatim where valid, else upper case with `_`; prefixed."""
    if key in rule.rename:
        return rule.rename[key]
    name = key if _VALID.fullmatch(key) else re.sub(r"[^A-Z0-9_]", "_", key.upper())
    if name[0].isdigit() and not rule.prefix:
        name = "_" + name
    return rule.prefix + name


def text_of(text: str) -> str:
    """A value's text as a variable or argument: a string as it is, all else as compact JSON text."""
    if text.startswith('"'):
        value = jsontext.parse(text)
        return value if isinstance(value, str) else text
    return text


def selected(key: Key, include: Iterable[str], exclude: Iterable[str] = ()) -> bool:
    """Whether include and exclude globs choose the key."""
    return any(matches(p, key) for p in include) and not any(matches(p, key) for p in exclude)


@dataclass(slots=True)
class _Draft:
    variables: dict[str, str] = field(default_factory=dict)
    variable_keys: dict[str, Key] = field(default_factory=dict)
    shim_variables: dict[str, str] = field(default_factory=dict)
    secret_files: dict[str, Setting] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def render(resolved: Resolved, binding: Binding, digest_key: DigestKey) -> Rendered:
    """Render effective settings as the binding says. Raises nothing for data."""
    draft = _Draft(problems=list(resolved.problems))
    settings = resolved.settings
    _render_variables(resolved, binding, draft)
    _render_options(settings, draft)
    arguments, argument_keys = _render_arguments(settings, binding, draft)
    files = (*_render_files(resolved, binding, digest_key, draft), *_secret_files(binding, digest_key, draft))
    digest = digest_key.digest
    run = ["run", *_flat(draft.options), "arguments", *arguments]
    variables = dict(sorted(draft.variables.items()))
    return Rendered(
        app=resolved.app,
        env=resolved.env,
        host=resolved.host,
        revision=resolved.revision,
        variables=frozen(variables),
        variable_keys=frozen(draft.variable_keys),
        variable_digests=frozen({name: digest("variable", text) for name, text in variables.items()}),
        options=frozen(dict(sorted(draft.options.items()))),
        arguments=arguments,
        argument_keys=argument_keys,
        files=files,
        key_digests=frozen({key: digest("key", s.text) for key, s in settings.items()}),
        spec_digest=digest("spec", *_flat(variables), *run),
        run_digest=digest(*run),
        problems=tuple(draft.problems),
        arguments_digest=digest("arguments", *arguments) if arguments else None,
        files_digest=_files_digest(files, digest_key),
        policies=resolved.policies,
        secret_keys=frozenset(key for key, setting in settings.items() if setting.secret),
        shim_variables=frozen(dict(sorted(draft.shim_variables.items()))),
        hidden=tuple(dict.fromkeys(_unseen(settings.values()))),
    )


def _flat(mapping: Mapping[str, str]) -> Iterable[str]:
    for name in sorted(mapping):
        yield name
        yield mapping[name]


def _render_variables(resolved: Resolved, binding: Binding, draft: _Draft) -> None:
    settings, rule = resolved.settings, binding.variables
    names: dict[str, list[Key]] = {}
    for key, setting in settings.items():
        if not is_run_option(key) and selected(key, rule.include, rule.exclude):
            ending = FILE if _is_filed(setting, binding.secrets) else ""
            names.setdefault(variable_name(key, rule) + ending, []).append(key)
    for name, keys in names.items():
        problem = _name_problem(name, keys, rule)
        if problem is not None:
            draft.problems.append(problem)
            continue
        _render_variable(name, settings[keys[0]], binding.secrets, draft)
    for key in resolved.removed:
        name = variable_name(key, rule)
        if not is_run_option(key) and _RESERVED.fullmatch(name):
            draft.problems.append(Problem("reserved", (key,), f"{key}: null on the reserved variable {name}"))


FILE = "_FILE"
"""What the name of a variable ends with that tells where a secret stands."""


def _is_filed(setting: Setting, secrets: Secrets) -> bool:
    return setting.secret and secrets.by == "file"


def _render_variable(name: str, setting: Setting, secrets: Secrets, draft: _Draft) -> None:
    """A secret is a variable only where the binding says so; else its file, or the shim, brings it."""
    if setting.secret and secrets.by == "shim":
        draft.shim_variables[name] = text_of(setting.text)
    elif _is_filed(setting, secrets):
        draft.variables[name] = f"{FOLDER}/{name.removesuffix(FILE)}"
        draft.secret_files[draft.variables[name]] = setting
    else:
        draft.variables[name] = text_of(setting.text)
    draft.variable_keys[name] = setting.key


def _secret_files(binding: Binding, digest_key: DigestKey, draft: _Draft) -> Iterable[RenderedFile]:
    secrets, taken = binding.secrets, {file.path for file in binding.files}
    for path, setting in draft.secret_files.items():
        if path in taken:
            detail = (
                f"{setting.key} stands in {path}, where the binding has a file of its own; give that another path"
            )
            draft.problems.append(Problem("collision", (setting.key,), detail, path))
            continue
        content = text_of(setting.text)
        digest = digest_key.digest("file", content)
        yield RenderedFile(
            *(path, content, int(secrets.mode, 8), _owner(secrets.owner), digest, (setting.key,)),
            secrets=tuple(_hidden(setting)),
        )


def _name_problem(name: str, keys: list[Key], rule: VariablesRule) -> Problem | None:
    if len(keys) > 1:
        listed = " and ".join(keys)
        detail = (
            f"the keys {listed} all give the variable {name}; keep one of them, "
            "or exclude or rename the others in the binding"
        )
        return Problem("collision", tuple(keys), detail)
    if not _VALID.fullmatch(name):
        detail = f"{keys[0]} gives {name!r}, which is no variable name: use A-Z, a-z, 0-9 and _"
        return Problem("name", tuple(keys), detail)
    if _RESERVED.fullmatch(name) and name not in rule.allow_reserved:
        detail = (
            f"{keys[0]} gives the reserved variable {name}; use another key, "
            "or list it in variables.allow_reserved of the binding"
        )
        return Problem("reserved", tuple(keys), detail)
    return None


def _render_options(settings: Mapping[Key, Setting], draft: _Draft) -> None:
    for key, setting in settings.items():
        if not is_run_option(key):
            continue
        option = OPTIONS.get(option_of(key))
        if option is None:
            draft.problems.append(Problem("run-option", (key,), _no_option(key)))
            continue
        if setting.secret:
            detail = f"{key} cannot be a secret: an inspect of the container shows run options; set it without"
            draft.problems.append(Problem("run-option", (key,), detail))
            continue
        try:
            draft.options[option.name] = option.parse(jsontext.parse(setting.text))
        except ConfdError as error:
            draft.problems.append(Problem("run-option", (key,), error.detail))
    for problem in conflicts(draft.options):
        draft.problems.append(problem)
        for name in problem.keys:
            draft.options.pop(option_of(Key(name)), None)


def _no_option(key: Key) -> str:
    instead = UNSUPPORTED.get(option_of(key))
    if instead is not None:
        return f"{key} cannot be set: {instead}"
    return f"{key} is no run option; known are: {', '.join(sorted(OPTIONS))}"


def _render_arguments(
    settings: Mapping[Key, Setting], binding: Binding, draft: _Draft
) -> tuple[tuple[str, ...], tuple[Key, ...]]:
    arguments: list[str] = []
    keys: list[Key] = []
    for flag, name in binding.arguments.items():
        setting = settings.get(Key(name))
        if setting is not None and setting.secret:
            detail = (
                f"arguments {flag}: {name} is a secret, and everybody on the host sees the arguments of a process; "
                "have the program read it from its file, or take it out of arguments"
            )
            draft.problems.append(Problem("argument", (setting.key,), detail))
        elif setting is not None:
            arguments += [flag, text_of(setting.text)]
            keys.append(setting.key)
    return tuple(arguments), tuple(keys)


def _render_files(
    resolved: Resolved, binding: Binding, digest_key: DigestKey, draft: _Draft
) -> Iterable[RenderedFile]:
    """All templates have one budget of work between them."""
    settings, budget = resolved.settings, Budget()
    for file in binding.files:
        named = _named(file)
        keys = tuple(key for key in settings if _is_held(settings[key], file, named))
        try:
            if file.template:
                texts = {key: settings[key].text for key in keys}
                filled = fill(template_of(file.template), texts, _about(resolved), budget)
                content, keys = (
                    filled.text,
                    tuple(key for key in filled.keys if key in texts or key not in settings),
                )
            else:
                content = FORMATS[file.format].dump(_members(file, keys, settings, binding.variables))
        except ConfdError as error:
            of = tuple(sorted(named, key=lambda key: (key in keys, key))) if file.template else keys
            code = "template" if file.template else "file"
            detail = masked(f"{file.path}: {_advised(file, error)}", _all_hidden(keys, settings))
            draft.problems.append(Problem(code, of, detail, file.path))
            continue
        digest: Digest = digest_key.digest("file", content)
        hidden = _all_hidden(keys, settings)
        mode = int(file.mode or _mode(file, any(key in settings and settings[key].secret for key in keys)), 8)
        yield RenderedFile(file.path, content, mode, _owner(file.owner), digest, keys, named, file.check, hidden)


def _is_held(setting: Setting, file: BindingFile, named: frozenset[Key]) -> bool:
    """Whether a file may hold the setting: a secret only where include or the template has its very name."""
    key = setting.key
    if is_run_option(key) or not selected(key, file.include, file.exclude):
        return False
    return not setting.secret or key in file.include or key in named


def _mode(file: BindingFile, holds_secret: bool) -> str:
    if is_secret_path(file.path):
        return MODE
    return "0400" if holds_secret else "0644"


def _named(file: BindingFile) -> frozenset[Key]:
    """The keys that its template may come to."""
    named = map(Key, template_of(file.template).named) if file.template else ()
    return frozenset(key for key in named if not is_run_option(key) and selected(key, file.include, file.exclude))


def _advised(file: BindingFile, error: ConfdError) -> str:
    """Why a file cannot be rendered, and what to do about a key that is not there."""
    if file.template and ": there is no setting " in error.detail:
        return f"{error.detail}; set it, or give a default in the template: get(KEY, DEFAULT)"
    return error.detail


def _about(resolved: Resolved) -> Mapping[str, str]:
    return {"app": resolved.app, "env": resolved.env, "host": resolved.host or ""}


def _all_hidden(keys: Iterable[Key], settings: Mapping[Key, Setting]) -> tuple[str, ...]:
    return tuple(text for key in keys if key in settings for text in _hidden(settings[key]))


def _hidden(setting: Setting) -> Iterable[str]:
    """The texts in a secret, as they may stand in a file."""
    if setting.secret:
        for whole in (setting.text, *setting.brought):
            for text in _leaves(jsontext.parse(whole)):
                yield text
                yield jsontext.dump(text)[1:-1]


_SHORTEST = 4
"""A text of less than this says nothing of where it comes from, and would make holes in every sentence."""


def _unseen(settings: Iterable[Setting]) -> Iterable[str]:
    """The texts of secrets as a program may print them."""
    for setting in settings:
        for text in (one for one in _hidden(setting) if len(one) >= _SHORTEST):
            yield text
            yield base64.b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _leaves(value: jsontext.Value) -> Iterable[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, (str, jsontext.Number)) and str(value):
        yield str(value)


def _files_digest(files: Iterable[RenderedFile], digest_key: DigestKey) -> Digest | None:
    """Of all that is done to files, so that what was refused once is not tried again until it is another."""
    parts = [
        text
        for file in files
        for text in (file.path, file.digest, str(file.mode), str(file.owner), repr(file.check))
    ]
    return digest_key.digest("files", *parts) if parts else None


def _members(
    file: BindingFile, keys: Iterable[Key], settings: Mapping[Key, Setting], rule: VariablesRule
) -> dict[str, jsontext.Value]:
    names = {key: key if FORMATS[file.format].keyed else variable_name(key, rule) for key in keys}
    return {names[key]: jsontext.parse(settings[key].text) for key in keys}


def _owner(owner: str) -> tuple[int, int] | None:
    if not owner:
        return None
    uid, _, gid = owner.partition(":")
    return int(uid), int(gid or uid)

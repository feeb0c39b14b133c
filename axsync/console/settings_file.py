"""`axsync init` writes a first settings file; `axsync config` prints what is in force, all options, or the schema."""

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from axsync.config import Setting, documented, in_force, schema_text
from axsync.config.starter import Answers, check, names_of, starter
from axsync.console.invocation import Invocation
from axsync.console.text import redact, visible
from axsync.errors import ConfigError, UsageError
from axsync.settings import KIB, MIB, with_scheme

_QUESTIONS = {
    "url": "URL of Axonius (scheme and host)",
    "credential": "Credential (a stored name, or two references)",
    "lake": "Lake (a folder, or an address such as s3://bucket/prefix)",
    "entities": "Entity types, separated by commas, or all",
}


def init(_: Invocation, config: str, instance: str, *, yes: bool, **answered: object) -> None:
    """Ask, write the file, and name the next commands. Raises: UsageError; an existing file is not changed."""
    if os.path.lexists(config):
        raise UsageError(f"{config!r} exists already and was not changed; give another name with --config")
    known = _known(answered)
    answers = {name: _answer(name, known.get(name), _default(name), ask=not yes) for name in _QUESTIONS}
    text = starter(
        Answers(answers["url"], answers["credential"], answers["lake"], names_of(answers["entities"]), instance)
    )
    _write(Path(config), text)
    click.echo(f"{config} was written. Next:\n" + "\n".join(f"  {line}" for line in _next(config, answers)))


def _known(given: Mapping[str, object]) -> dict[str, str]:
    words = {name: " ".join(text) if isinstance(text, tuple) else text for name, text in given.items()}
    return {name: str(text) for name, text in words.items() if text}


def _default(name: str) -> str | None:
    return {
        "url": with_scheme(os.environ.get("AX_URL", "")) or None,
        "credential": "env:AX_KEY env:AX_SECRET",
        "lake": os.environ.get("AXSYNC_LAKE") or "lake",
        "entities": "all",
    }[name]


def _answer(name: str, given: str | None, default: str | None, *, ask: bool) -> str:
    if given is None and not ask:
        given = default
        if given is None:
            raise UsageError(f"{name} is missing; give --{name}, or set AX_URL")
    if given is not None:
        check(name, given)
        return given
    try:
        answer = click.prompt(_QUESTIONS[name], default, err=True, value_proc=lambda text: _checked(name, text))
    except click.Abort:
        raise UsageError(
            "standard input ended before all questions were answered; use --yes to take options and defaults"
        ) from None
    return str(answer)


def _checked(name: str, answer: str) -> str:
    """The answer, or an error that makes click ask again. It does not repeat the input, which may be a secret."""
    try:
        check(name, answer)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return answer


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written ({error.strerror})") from error


def _next(config: str, answers: Mapping[str, str]) -> list[str]:
    credential, which = answers["credential"], "" if config == "axsync.toml" else f" --config {shlex.quote(config)}"
    add = [] if ":" in credential else [f"axsync credential add {credential} --url {answers['url']}"]
    return [*add, f"axsync check{which}", f"axsync run{which}"]


def config(given: Invocation, *, defaults: bool, schema: bool, **overrides: object) -> None:
    """Print the settings in force and where each is from, or the file with all defaults, or the JSON Schema."""
    if defaults and schema:
        raise UsageError("--defaults and --schema cannot be combined")
    if defaults or schema:
        click.echo(documented() if defaults else schema_text(), nl=False)
        return
    named = {"instances": given.instances, "tags": given.tags, "credentials": given.credentials, **overrides}
    found = [_harmless(one) for one in in_force(given.config, overrides=named)]
    click.echo(json.dumps([asdict(one) for one in found], indent=2) if given.as_json else "\n".join(_told(found)))


def _harmless(one: Setting) -> Setting:
    """The setting without what may be a key in the words of a command."""
    return replace(one, value=redact(str(one.value), os.environ)) if one.key in ("on_finish", "inventory") else one


def _told(found: Sequence[Setting]) -> Iterator[str]:
    """Lines of a settings file, with the origin of each as a comment."""
    table, beside = "", {one.table for one in found if one.is_beside}
    for one in found:
        # An instance is named in one place only: for those of a program here, for those of files beside it there.
        is_comment = one.table in beside or one.value is None or (one.key == "inventory" and one.value)
        if one.table != table:
            yield ("\n" if table else "") + ("# " if one.table in beside else "") + f"[{_header(one.table)}]"
            table = one.table
        line = ("# " if is_comment else "") + one.key + ("" if one.value is None else f" = {_toml(one)}")
        yield f"{line:<39} # {one.origin}"


def _header(table: str) -> str:
    first, dot, name = table.partition(".")
    return first + dot + (name if name.replace("_", "").replace("-", "").isalnum() or not name else json.dumps(name))


def _toml(one: Setting) -> str:
    value = one.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and one.key.endswith("_bytes") and value and value % KIB == 0:
        return f'"{value // MIB}MiB"' if value % MIB == 0 else f'"{value // KIB}KiB"'
    text = json.dumps(value, ensure_ascii=False)
    if one.origin.startswith("--"):  # in a file a literal ${ is escaped, and what is from there is shown as it is
        text = text.replace("${", "$${")
    return visible(text, most=100_000)

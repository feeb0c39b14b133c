"""`axsync init`: asks what options do not answer, and writes a first settings file."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from axsync.config.starter import Answers, check, names_of, starter
from axsync.console.invocation import Invocation
from axsync.errors import ConfigError, UsageError

_QUESTIONS = {
    "url": "URL of Axonius (scheme and host)",
    "credential": "Credential (a stored name, or two references)",
    "lake": "Folder of the lake",
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
        "url": os.environ.get("AX_URL"),
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

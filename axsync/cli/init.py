"""What is set up once: `axsync init` writes a settings file, `axsync completion` prints a script for a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import click
from click.shell_completion import ShellComplete, get_completion_class

INIT = """\b
Examples:
  axsync init
  axsync init --yes --url https://acme.on.axonius.com --entity devices --entity users
  axsync init --credential prod --lake /srv/lake --config /etc/axsync.toml

\b
CREDENTIAL is the name of a stored credential, or two references, to key and secret:
  env:NAME env:NAME      variables (the default: env:AX_KEY env:AX_SECRET)
  file:PATH file:PATH    files such as those of Docker, Kubernetes and systemd
It is never the secret itself: the file holds none, and can be kept with your other settings.

\b
Exit codes: 0 written, 2 invalid answer, or the file exists already (it is not changed)."""

_QUESTIONS = {
    "url": "URL of Axonius (scheme and host)",
    "credential": "Credential (a stored name, or two references)",
    "lake": "Folder of the lake",
    "entities": "Entity types, separated by commas, or all",
}


@click.command(epilog=INIT)
@click.option("--config", default="axsync.toml", show_default=True, metavar="FILE", help="File to write.")
@click.option("--instance", default="prod", show_default=True, metavar="NAME", help="Name of the instance.")
@click.option("--url", metavar="URL", help="URL of Axonius; default: AX_URL.")
@click.option("--credential", metavar="CREDENTIAL", help="Where key and secret are stored, see below.")
@click.option("--lake", metavar="URI", help="Folder of the lake; default: AXSYNC_LAKE, or lake.")
@click.option("--entity", "entities", multiple=True, metavar="NAME", help="An entity type to copy; repeatable.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; use options, variables and defaults.")
@click.pass_context
def init(context: click.Context, /, config: str, instance: str, *, yes: bool, **given: object) -> None:
    """Ask four questions and write a first settings file.

    It asks for the URL of Axonius, where key and secret are stored, the lake, and the entity types, unless an option
    answers. Comments in the file show what to change next. An existing file is never overwritten.
    """
    from axsync.config.starter import Answers, names_of, starter  # noqa: PLC0415  --help must not wait for it
    from axsync.errors import UsageError  # noqa: PLC0415  as above

    if os.path.lexists(config):
        raise UsageError(f"{config!r} exists already and was not changed; give another name with --config")
    known = _known(given)
    answers = {name: _answer(name, known.get(name), _default(name), ask=not yes) for name in _QUESTIONS}
    text = starter(
        Answers(answers["url"], answers["credential"], answers["lake"], names_of(answers["entities"]), instance)
    )
    _write(Path(config), text)
    click.echo(f"{config} was written. Next:\n" + "\n".join(f"  {line}" for line in _next(config, answers)))
    context.exit(0)


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
    from axsync.config.starter import check  # noqa: PLC0415  as above
    from axsync.errors import UsageError  # noqa: PLC0415  as above

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
    from axsync.config.starter import check  # noqa: PLC0415  as above
    from axsync.errors import ConfigError  # noqa: PLC0415  as above

    try:
        check(name, answer)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return answer


def _write(path: Path, text: str) -> None:
    from axsync.errors import UsageError  # noqa: PLC0415  as above

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written ({error.strerror})") from error


def _next(config: str, answers: Mapping[str, str]) -> list[str]:
    credential, which = answers["credential"], "" if config == "axsync.toml" else f" --config {shlex.quote(config)}"
    add = [] if ":" in credential else [f"axsync credential add {credential} --url {answers['url']}"]
    return [*add, f"axsync check{which}", f"axsync run{which}"]


COMPLETION = """\b
Examples:
  eval "$(axsync completion bash)"                         in ~/.bashrc (bash 4.4 or newer)
  eval "$(axsync completion zsh)"                          in ~/.zshrc, after compinit
  axsync completion fish > ~/.config/fish/completions/axsync.fish

\b
Completes instances and entity types from ./axsync.toml or --config. If no table names an entity type, completes all
known ones."""

VARIABLE = "_AXSYNC_COMPLETE"
"""Set by the shell when it asks for completions; click derives the same name from the program's."""


@click.command(epilog=COMPLETION)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell."""
    found = get_completion_class(shell)
    if found is None:  # pragma: no cover  click has all three
        raise click.UsageError(f"click does not know {shell}")
    click.echo(_source(found, context.find_root()))


def _source(kind: type[ShellComplete], root: click.Context) -> str:
    made = kind(root.command, {}, "axsync", VARIABLE)
    # Not `source`: it looks for bash on this machine, which need not be where the script is used.
    return made.source_template % made.source_vars()

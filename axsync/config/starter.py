"""A first axsync.toml: four answers, and comments about what to change next."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from axsync.errors import ConfigError
from axsync.settings import CredentialReference, LakeSettings, RunSettings, check_folder_names, check_names, normal_url

_TEMPLATE = """\
# Settings of axsync. `axsync config` prints the settings in force, `axsync config --defaults` every option.
# Unknown keys are errors. ${{VAR}}, ${{VAR:-default}} and ${{file:PATH}} are replaced in every string.

[lake]
uri = {lake}
gc = true                           # each run removes old snapshots; the 14 newest and all of the last 90 days stay
# keep_daily = 0                    # instead: keep the newest snapshot of each of this many days (docs/operations.md)

[instances.{name}]
url = {url}
{credential}
# requests_per_second = 10          # upper limit; the actual rate adapts to the server
# in_flight = 4                     # concurrent requests; raise this first if the server can take more
# ca_file = ""                      # certificates (PEM) to trust instead of the system's

# Defaults for every entity type. A table [entities.NAME] overrides them for one.
[entities.default]
# fields = "generic"                # generic | full (adapters' own fields too) | raw (whole records) | names and globs
# query = ""                        # AQL; only assets that match

[run]
entities = {entities}
# deadline_minutes = 0              # publish what is complete by then, leave the rest to the next run; 0: no limit
# wait_stable_minutes = 0           # how long to wait for a running discovery cycle to end
# metrics_file = ""                 # Prometheus text file about each run
# on_finish = ""                    # a command that gets the summary of each run as JSON on standard input
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to the four questions. `credential` is a stored name or two references; no `entities` means all."""

    url: str
    credential: str
    lake: str
    entities: tuple[str, ...] = ()
    instance: str = "prod"


def starter(answers: Answers) -> str:
    """The text of a valid settings file. Raises: ConfigError for an invalid answer."""
    check_folder_names("instance", [answers.instance])
    lake, run = LakeSettings(uri=answers.lake), RunSettings(entities=answers.entities)
    credential = "\n".join(f"{key} = {_toml(text)}" for key, text in _references(answers.credential).items())
    return _TEMPLATE.format(
        lake=_toml(lake.uri),
        name=_toml(answers.instance) if "." in answers.instance else answers.instance,
        url=_toml(normal_url(answers.url)),
        credential=credential,
        entities=_entities(run.entities),
    )


def check(name: str, answer: str) -> None:
    """Check one answer by itself, so that it can be asked for again. Raises: ConfigError."""
    match name:
        case "url":
            normal_url(answer)
        case "credential":
            _references(answer)
        case "lake":
            LakeSettings(uri=answer)
        case _:
            RunSettings(entities=names_of(answer))


def _entities(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_toml, names))}]" if names else "[]                       # all that the instance offers"


def names_of(text: str) -> tuple[str, ...]:
    """Entity types separated by commas, spaces or both; empty for `all`."""
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    return () if names == ("all",) else names


def _references(credential: str) -> Mapping[str, str]:
    """The name of a stored credential, or two references: key, then secret."""
    words = _words(credential)
    if len(words) == 1 and ":" not in words[0]:
        check_names("credential", words)
        return {"credential": words[0]}
    if len(words) == 2:
        CredentialReference(*words)
        return dict(zip(("api_key", "api_secret"), words, strict=True))
    raise ConfigError(
        "credential must be the name of a stored credential, or two references such as env:AX_KEY env:AX_SECRET"
    )


def _words(credential: str) -> Sequence[str]:
    try:
        return shlex.split(credential)
    except ValueError as error:
        raise ConfigError("credential has an unmatched quote or a trailing backslash") from error


def _toml(text: str) -> str:
    # JSON strings are valid TOML strings; a literal ${ must be escaped.
    return json.dumps(text, ensure_ascii=False).replace("${", "$${")

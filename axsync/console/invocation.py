"""What a command was given: its shared options, and the settings and the lake that they stand for."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from axsync.config import load_lake, load_settings, unused_variables
from axsync.console.output import OutputOptions, say
from axsync.console.prompts import allow_asking
from axsync.credentials import PERSON, CredentialStore, stored
from axsync.lake.publish import Lake, open_lake
from axsync.settings import LakeSettings, Settings

Service = TypeVar("Service", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Invocation:
    """The shared options of a command; empty: not given, or the command has no such option."""

    output_options: OutputOptions
    config: Path | None = None
    instances: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    lake_uri: str | None = None
    services: Mapping[str, Callable[..., Any]] | None = None  # what tests put in place of the library, by name

    @property
    def as_json(self) -> bool:
        """Whether the result is one JSON document."""
        return self.output_options.output == "json"

    def service(self, real: Service) -> Service:
        """A function of the library that asks an instance, or what a test has put in its place under its name."""
        replaced: Mapping[str, Any] = self.services or {}
        found: Service = replaced.get(real.__name__, real)
        return found

    def settings(self, **overrides: object) -> Settings:
        """Settings from the file and the environment, overridden by the command line."""
        named = {"instances": self.instances, "tags": self.tags, "credentials": self.credentials, **overrides}
        found = load_settings(self.config, overrides=named)
        if self.credentials:
            self._tell_unused(found)
        unlock(found)
        return found

    def _tell_unused(self, settings: Settings) -> None:
        """Say that `--credential` wins over the variables that name another host."""
        if names := unused_variables(settings.chosen(), os.environ):
            listed = f"{', '.join(names[:-1])} and {names[-1]} are" if names[1:] else f"{names[0]} is"
            told = "--credential determines the host and the keys"
            say(f"note: {listed} set in the environment and not used: {told}", self.output_options)

    def lake_settings(self) -> LakeSettings:
        """The settings of the lake to read. Raises: ConfigError."""
        return load_lake(self.config, uri=self.lake_uri)

    def lake(self) -> Lake:
        """The lake to read. Raises: ConfigError."""
        return open_lake(self.lake_settings())


def unlock(settings: Settings) -> None:
    """Ask for the passphrase of the store if a chosen instance needs it, before the progress display starts."""
    names = [name for instance in settings.chosen() if (name := stored(instance)) is not None]
    allow_asking()
    person = PERSON.get()
    if person is not None and any(CredentialStore().wants_passphrase(name) for name in names):
        person(False)  # noqa: FBT003  not a new passphrase

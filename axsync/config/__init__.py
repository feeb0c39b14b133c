"""Loads `Settings` from TOML and the environment."""

from axsync.config.documented import documented
from axsync.config.instances import unused_variables
from axsync.config.loading import check_lake, load_lake, load_settings
from axsync.config.origins import Setting, in_force
from axsync.config.schema import schema_text

__all__ = [
    "Setting",
    "check_lake",
    "documented",
    "in_force",
    "load_lake",
    "load_settings",
    "schema_text",
    "unused_variables",
]

"""Loads `Settings` from TOML and the environment."""

from axsync.config.instances import unused_variables
from axsync.config.loading import FILE_NAME, check_lake, load_lake, load_settings

__all__ = ["FILE_NAME", "check_lake", "load_lake", "load_settings", "unused_variables"]

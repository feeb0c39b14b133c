"""Who is measured: axsync, and its peers where `make bench-peers` has made an environment for them."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from axsync.lake.history import load_manifest
from tests.benchmarks.fleet import KEY, SECRET, Load
from tests.benchmarks.process import Measured, folder, timed

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
CONFIG = """
[lake]
uri = "{lake}"
[instances.{name}]
url = "{url}"
api_key = "env:AX_KEY"
api_secret = "env:AX_SECRET"
requests_per_second = {pace}
{more}
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """How axsync is set beside its defaults; the pace is lifted where nothing else is said."""

    in_flight: int = 0  # 0: the default
    entities: tuple[str, ...] = ("devices",)
    instances: int = 1  # of the same host, with rows of their own names
    pace: float = 5000  # requests per second
    environ: Mapping[str, str] = field(default_factory=dict)


def axsync(load: Load, url: str | list[str], setting: Setting | None = None, *, name: str = "axsync") -> Measured:
    """One `axsync run` into an empty lake, from one server or from one for each instance."""
    setting = setting or Setting(entities=(load.entity,))
    with folder() as place:
        config = place / "axsync.toml"
        config.write_text(config_text(load, [url] if isinstance(url, str) else url, setting, place / "lake"), "utf-8")
        command = [sys.executable, "-m", "axsync", "run", *setting.entities, "--config", str(config), "-q"]
        keys = {"AX_KEY": KEY, "AX_SECRET": SECRET, **setting.environ}
        made = timed(name, [*command, "--output", "json"], environ=keys, log=place / "log")
        return replace(made, facts=_lanes(place / "lake"))


def config_text(load: Load, urls: list[str], setting: Setting, lake: Path) -> str:
    more = f"in_flight = {setting.in_flight}" if setting.in_flight else ""
    fields = json.dumps(list(load.fields) if isinstance(load.fields, tuple) else load.fields)
    instances = (
        CONFIG.format(lake=lake, name=f"i{n}", url=urls[n % len(urls)], pace=setting.pace, more=more)
        for n in range(setting.instances)
    )
    first, *others = instances
    text = first + "".join(other[other.index("[instances") :] for other in others)
    limit = f"max_columns = {max(2000, load.more_fields + 100)}"
    return f"{text}\n[entities.default]\nfields = {fields}\n{limit}\n"


def _lanes(lake: Path) -> dict[str, Any]:
    """What the manifest says, over all entity types."""
    lanes = load_manifest(lake)["lanes"]
    return {
        "rows": sum(lane["rows"] for lane in lanes),
        "json": sum(lane["bytes"] for lane in lanes) / 1e6,  # MB
        "parquet": sum(file["bytes"] for lane in lanes for file in lane["files"]) / 1e6,
        "pages": sum(lane["pages"] for lane in lanes),
        "columns": max(len(lane["columns"]) for lane in lanes),
        "rescued": sum(lane["rescued_values"] for lane in lanes),
        "verdicts": sorted({lane["verdict"] for lane in lanes}),
    }


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program that gets the same fields of the same devices."""

    name: str
    script: str
    environment: str  # a folder of the checkout
    profile: str = "p70"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return ROOT / self.environment / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether `make bench-peers` has been there."""
        return self.python.exists()

    def run(self, load: Load, url: str) -> Measured:
        """One run into an empty folder."""
        assert isinstance(load.fields, tuple)
        with folder() as place:
            (place / "fields.json").write_text(json.dumps(load.fields), "utf-8")
            command = [str(self.python), str(PEERS / self.script), url, str(place), str(place / "fields.json")]
            keys = {"AX_KEY": KEY, "AX_SECRET": SECRET, "HOME": str(place)}
            return timed(self.name, command, environ=keys, log=place / "log")


ALL_PEERS = (
    Peer("official client", "official.py", ".venv-official", "v1"),
    Peer("dlt", "dlt_peer.py", ".venv-dlt"),
    Peer("naive script", "naive.py", ".venv-naive"),
)

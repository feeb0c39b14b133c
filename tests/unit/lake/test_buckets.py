"""Which client a lake in an object store gets, and with what; nothing is asked of any store here."""

import sys
from typing import Any

import pytest

from axsync.errors import ConfigError
from axsync.lake.buckets import open_objects
from axsync.lake.publish import open_lake
from axsync.settings import LakeSettings

AWS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "5ecr3t"}


def config(**settings: Any) -> dict[str, Any]:
    """What the client was told."""
    bucket: Any = open_objects(LakeSettings(**settings)).bucket
    return dict(bucket.config)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("aws")
def test_s3_is_opened_as_settings_and_environment_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting comes before a variable. No key is in what anybody could print."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    told = config(uri="s3://bucket/a/b", kms_key="arn:aws:kms:key/1")
    assert (told["region"], told["endpoint"]) == ("eu-west-1", "http://127.0.0.1:9000")
    assert (told["server_side_encryption"], told["sse_kms_key_id"]) == ("aws:kms", "arn:aws:kms:key/1")

    told = config(uri="s3://bucket", region="us-west-2", endpoint="https://s3.acme.example")
    assert (told["region"], told["endpoint"]) == ("us-west-2", "https://s3.acme.example")

    lake = open_lake(LakeSettings(uri="s3://bucket/a/b"))
    assert (lake.name, lake.store.uri("c"), lake.is_folder) == ("s3://bucket/a/b", "s3://bucket/a/b/c", False)
    assert "5ecr3t" not in f"{lake!r} {told}"


@pytest.mark.usefixtures("aws")
def test_keys_and_region_in_the_environment_need_no_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would find them first, and takes half a second to import; a region may be in a profile, though."""
    monkeypatch.setitem(sys.modules, "obstore.auth.boto3", None)
    assert config(uri="s3://bucket", region="eu-west-1")["region"] == "eu-west-1"
    with pytest.raises(ConfigError, match=r"^a lake at s3:// needs its client: pip install 'axsync\[s3\]'$"):
        open_lake(LakeSettings(uri="s3://bucket"))


def test_s3_without_credentials_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that says where they could be; another for a profile that is not there."""
    with pytest.raises(ConfigError, match=r"^there are no AWS credentials for the lake 's3://bucket'; set AWS_PROFILE"):
        config(uri="s3://bucket")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match=r"for the lake 's3://bucket': .*\(nobody\) could not be found"):
        config(uri="s3://bucket")


@pytest.mark.usefixtures("aws")
def test_an_endpoint_of_the_environment_must_not_show_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the settings allow it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://10.0.0.1:9000")
    with pytest.raises(ConfigError, match=r"^the endpoint of the lake's store would send the keys unencrypted"):
        config(uri="s3://bucket")
    assert config(uri="s3://bucket", allow_plain_http=True)["endpoint"] == "http://10.0.0.1:9000"


def test_azure_is_opened_by_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the address or the environment; another Azure has other hosts, and Azurite the account in its paths."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "NWVjcjN0")
    with pytest.raises(ConfigError, match=r"^uri names no storage account; write it as abfss://data@account"):
        config(uri="az://data/lake")
    assert config(uri="abfss://data@acme.dfs.core.windows.net/lake")["account_name"] == "acme"
    told = config(uri="abfss://data@acme.dfs.core.usgovcloudapi.net/lake")
    assert told["endpoint"] == "https://acme.blob.core.usgovcloudapi.net"

    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1")
    told = config(uri="az://data/lake", endpoint="http://127.0.0.1:10000")
    assert told["endpoint"] == "http://127.0.0.1:10000/devstoreaccount1"


def test_google_is_opened_by_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is no key is not repeated."""
    assert config(uri="gs://bucket/lake", endpoint="http://127.0.0.1:4443")["bucket"] == "bucket"
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", "5ecr3t")
    with pytest.raises(ConfigError, match=r"^the store of the lake 'gs://bucket' cannot be opened") as caught:
        config(uri="gs://bucket")
    assert "5ecr3t" not in str(caught.value)


def test_what_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for parts, and the package that speaks to the store."""
    with pytest.raises(ConfigError, match=r"^scratch must be a folder that exists"):
        config(uri="gs://bucket", scratch="/nowhere/at/all")
    monkeypatch.setitem(sys.modules, "axsync.lake.buckets", None)
    with pytest.raises(ConfigError, match=r"^a lake at abfss:// needs its client: pip install 'axsync\[azure\]'$"):
        open_lake(LakeSettings(uri="abfss://data@acme.dfs.core.windows.net"))

"""The bucket that a lake is in, with the credentials that the tools of its cloud would take.

Nothing of axsync holds a key of a store: for S3, boto3 looks where it always does (variables, profiles and SSO, web
identity, the role of the container or of the machine); for Azure and Google Cloud the client itself knows the
variables, service principals and managed identities, and the application default credentials.
"""

import errno
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store
from obstore.store import ObjectStore as Bucket

from axsync.errors import ConfigError
from axsync.lake.objects import ObjectStore
from axsync.lake.uploads import S3Uploads
from axsync.settings import Address, LakeSettings, normal_url

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config

Environ = Mapping[str, str]

AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
AWS_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
AWS_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
AZURE_ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME"
FRESH = timedelta(minutes=10)
"""After half of it boto3 is asked again, which renews what it has well before it ends."""
_RETRY: "RetryConfig" = {
    "max_retries": 10,
    "retry_timeout": timedelta(minutes=3),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=15), "base": 2},
}
_PUBLIC_AZURE = "core.windows.net"


def open_objects(settings: LakeSettings, environ: Environ = os.environ) -> ObjectStore:
    """The store of a lake that is no folder; nothing is asked of it. Raises: ConfigError, and ImportError for boto3."""
    address = settings.address
    assert address is not None  # noqa: S101  a folder has its own store

    def bucket() -> Bucket:  # no partial, which would show the environment where the store is printed
        return bucket_of(settings, address, environ)

    drafts = Path(settings.scratch).expanduser() if settings.scratch else None
    if drafts is not None and not drafts.is_dir():
        raise ConfigError(f"scratch must be a folder that exists, and {settings.scratch!r} is none")
    store = ObjectStore(bucket(), address.prefix, address.uri, bucket, drafts)
    if address.cloud == "s3":
        amazon = _Amazon(settings, address.bucket, environ)
        store.uploads, store.copier = amazon.uploads, amazon.copy if settings.storage_class else None
        store.storage_class = settings.storage_class
    store.foreign = lambda: options_of(cast("S3Store", store.bucket))  # or another of the three
    return store


def options_of(bucket: S3Store | AzureStore | GCSStore) -> dict[str, str]:
    """The same bucket in the words of delta-rs, which has the same client inside but opens it itself."""
    told: Mapping[str, object] = {**bucket.config, **(bucket.client_options or {})}
    # Bucket and container are said by the address of a table.
    options = {name: str(value) for name, value in told.items() if name not in ("bucket", "container_name")}
    if isinstance(bucket, S3Store) and bucket.credential_provider is not None:  # else both take them from variables
        found = cast("Boto3CredentialProvider", bucket.credential_provider)()
        named = {"access_key_id": found["access_key_id"], "secret_access_key": found["secret_access_key"]}
        options |= {name: value for name, value in (named | {"session_token": found["token"]}).items() if value}
    return options


def bucket_of(settings: LakeSettings, address: Address, environ: Environ) -> Bucket:
    """The client of the bucket. Raises: ConfigError, ImportError."""
    try:
        match address.cloud:
            case "s3":
                return _s3(settings, address, environ)
            case "gcs":
                config: GCSConfig = {"base_url": settings.endpoint} if settings.endpoint else {}
                options = _options(settings, settings.endpoint)
                return GCSStore(address.bucket, config=config, client_options=options, retry_config=_RETRY)
            case "azure":
                return _azure(settings, address, environ)
    except BaseError as error:
        # Its text may repeat what is in the environment.
        told = f"the store of the lake {address.uri!r} cannot be opened: its variables or its endpoint are not right"
        raise ConfigError(told) from error


def _options(settings: LakeSettings, endpoint: str) -> "ClientConfig":
    """How requests are sent. A transfer may take minutes; a connection that says nothing for one is dropped."""
    if endpoint:
        normal_url(endpoint, allow_plain_http=settings.allow_plain_http, called="the endpoint of the lake's store")
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(minutes=1),
        "timeout": timedelta(minutes=10),
        "user_agent": f"axsync/{version('axsync')}",
    }


def _s3(settings: LakeSettings, address: Address, environ: Environ) -> S3Store:
    endpoint = _aws_endpoint(settings, environ)
    region = settings.region or next((environ[name] for name in AWS_REGIONS if environ.get(name)), "")
    config: S3Config = {"conditional_put": "etag"}
    provider = None
    if not ((region or endpoint) and all(environ.get(name) for name in AWS_KEYS)):
        # Where variables have it all, as boto3 would find first, half a second of its import is spared.
        provider = _provider(address)
        region = region or provider.config.get("region", "")
        provider.config = {}  # it would contradict the settings
    if region:
        config["region"] = region
    if endpoint:
        config["endpoint"] = endpoint
    if settings.kms_key:
        config |= {"server_side_encryption": "aws:kms", "sse_kms_key_id": settings.kms_key}
    return S3Store(
        address.bucket,
        config=config,
        client_options=_options(settings, endpoint),
        retry_config=_RETRY,
        credential_provider=provider,
    )


def _provider(address: Address) -> Any:  # noqa: ANN401  of a module that is not imported before
    """What asks boto3 for credentials. Raises: ConfigError, where it finds none."""
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415  boto3 is there for S3 only

    none = f"there are no AWS credentials for the lake {address.uri!r}"
    try:
        return Boto3CredentialProvider(ttl=FRESH)
    except ValueError:
        where = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
        raise ConfigError(f"{none}; {where}") from None
    except Exception as error:  # boto3 has no base of its errors; such as a profile that does not exist
        raise ConfigError(f"{none}: {error}") from error


def _aws_endpoint(settings: LakeSettings, environ: Environ) -> str:
    return settings.endpoint or next((environ[name].rstrip("/") for name in AWS_ENDPOINTS if environ.get(name)), "")


class _Amazon:
    """What obstore lacks of S3, by boto3."""

    def __init__(self, settings: LakeSettings, bucket: str, environ: Environ) -> None:
        self._settings, self._bucket, self._environ = settings, bucket, environ

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401  boto3 makes its types as it goes
        from boto3 import Session  # noqa: PLC0415  as above

        region, endpoint = self._settings.region, _aws_endpoint(self._settings, self._environ)
        region = region or self._environ.get("AWS_REGION", "")
        return Session().client("s3", region_name=region or None, endpoint_url=endpoint or None)

    def uploads(self) -> S3Uploads:
        """Uploads that never ended."""
        return S3Uploads(self._client, self._bucket)

    def copy(self, _bucket: Bucket, source: str, target: str) -> None:
        """Copy a part to where it is published, in a storage class: obstore's have that of every new object.

        What is staged, and what runs keep for themselves, is short-lived or small, for which other classes charge more.
        """
        named, key = self._settings.storage_class, self._settings.kms_key
        told = {"StorageClass": named} | ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {})
        place = {"Bucket": self._bucket, "Key": source}
        try:
            self._client.copy_object(Bucket=self._bucket, Key=target, CopySource=place, **told)
        except self._client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("NoSuchKey", "404"):
                raise FileNotFoundError(errno.ENOENT, "there is no such object", source) from None
            raise OSError(errno.EIO, f"the store refuses a copy in class {named} ({code})") from None
        except Exception as error:  # noqa: BLE001  boto3 makes its errors as it goes
            raise OSError(errno.EIO, f"the store does not copy ({type(error).__name__})") from None


def _azure(settings: LakeSettings, address: Address, environ: Environ) -> AzureStore:
    account = address.account or environ.get(AZURE_ACCOUNT, "")
    if not account:
        told = f"uri names no storage account; write it as abfss://{address.bucket}@account.dfs.{_PUBLIC_AZURE}/prefix"
        raise ConfigError(f"{told}, or set {AZURE_ACCOUNT}")
    endpoint = settings.endpoint
    if endpoint and f"//{account}." not in endpoint:  # a server that has the account in its paths, as Azurite
        endpoint = f"{endpoint}/{account}"
    elif not endpoint and address.suffix not in ("", _PUBLIC_AZURE):  # another Azure, such as that of a government
        endpoint = f"https://{account}.blob.{address.suffix}"
    config: AzureConfig = {"account_name": account, "endpoint": endpoint} if endpoint else {"account_name": account}
    options = _options(settings, settings.endpoint)
    return AzureStore(address.bucket, config=config, client_options=options, retry_config=_RETRY)

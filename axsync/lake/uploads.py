"""Uploads to S3 that never ended, which obstore neither lists nor ends. A bucket keeps them, and charges for them."""

from collections.abc import Iterator
from typing import Any, Protocol

UPLOAD = "?uploadId="
"""What follows the key in the name of an upload; no key has it in it."""


class Uploads(Protocol):
    """Those of a bucket, by their paths in it."""

    def begun(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Path with the id of the upload behind it, and bytes so far."""
        ...

    def abort(self, name: str) -> None:
        """End one, by that name; nothing where it is not there."""
        ...


class S3Uploads:
    """By a client of boto3, which is not made before it is asked for."""

    def __init__(self, client: Any, bucket: str) -> None:  # noqa: ANN401  boto3 makes its types as it goes
        self._client, self._bucket = client, bucket

    def begun(self, prefix: str) -> Iterator[tuple[str, int]]:
        """As `Uploads.begun`."""
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix):
            for one in page.get("Uploads", ()):
                found = {"Bucket": self._bucket, "Key": one["Key"], "UploadId": one["UploadId"]}
                pages = self._client.get_paginator("list_parts").paginate(**found)
                size = sum(part["Size"] for parts in pages for part in parts.get("Parts", ()))
                yield f"{one['Key']}{UPLOAD}{one['UploadId']}", size

    def abort(self, name: str) -> None:
        """As `Uploads.abort`."""
        path, _, upload = name.rpartition(UPLOAD)
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=path, UploadId=upload)
        except self._client.exceptions.NoSuchUpload:
            return

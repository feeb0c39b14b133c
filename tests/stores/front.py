"""The XML API of Google Cloud Storage, as obstore speaks it, before fake-gcs-server, which knows the JSON API only.

Objects, their generations and the conditions on them are fake-gcs-server's; uploads of many parts are ours.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import orjson
from aiohttp import ClientSession, web

GONE = "<Error><Code>{}</Code></Error>"
JSON = "application/json"
ASKED = {"prefix": "prefix", "delimiter": "delimiter", "continuation-token": "pageToken", "max-keys": "maxResults"}


@dataclass(slots=True)
class Front:
    """Answers for the buckets that a fake-gcs-server at this port has."""

    port: int
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        bucket, _, name = request.raw_path.partition("?")[0][1:].partition("/")
        name, body = unquote(name), await request.content.read()
        async with self.turn:  # fake-gcs-server does not heed all conditions at once
            if not name:
                return await self._list(bucket, request.query)
            if "uploads" in request.query or "uploadId" in request.query:
                return await self._upload(request, bucket, name, body)
            if source := request.headers.get("x-goog-copy-source"):
                return await self._copy(bucket, name, unquote(source).lstrip("/"))
            if request.method == "PUT":
                return await self._put(request, bucket, name, body)
            if request.method == "DELETE":
                status, _ = await self._ask("DELETE", _place(bucket, name))
                return web.Response(status=204) if status in (200, 204) else _no(status, "NoSuchKey")
            return await self._get(request, bucket, name)

    async def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.port}{path}"
        data = BytesIO(body) if body else None
        async with ClientSession() as session, session.request(method, url, data=data, headers=headers) as answer:
            return answer.status, await answer.read()

    async def _put(self, request: web.BaseRequest, bucket: str, name: str, body: bytes) -> web.Response:
        asked = request.headers.get("x-goog-if-generation-match")
        edge = uuid4().hex
        meta = orjson.dumps({"name": name, "contentType": "application/octet-stream"})
        part = f"--{edge}\r\nContent-Type: {JSON}\r\n\r\n".encode() + meta
        whole = part + f"\r\n--{edge}\r\nContent-Type: application/octet-stream\r\n\r\n".encode() + body
        condition = "" if asked is None else f"&ifGenerationMatch={asked}"
        status, told = await self._ask(
            "POST",
            f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart{condition}",
            whole + f"\r\n--{edge}--".encode(),
            {"Content-Type": f"multipart/related; boundary={edge}"},
        )
        return web.Response(headers=_marks(orjson.loads(told))) if status == 200 else _no(status, "PreconditionFailed")

    async def _upload(self, request: web.BaseRequest, bucket: str, name: str, body: bytes) -> web.Response:
        if "uploads" in request.query:
            made = uuid4().hex
            self.uploads[made] = {}
            names = f"<Bucket>{bucket}</Bucket><Key>{escape(name)}</Key><UploadId>{made}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>")
        parts = self.uploads.get(request.query["uploadId"])
        if parts is None:
            return _no(404, "NoSuchUpload")
        if request.method == "PUT":
            parts[int(request.query["partNumber"])] = body
            return web.Response(headers={"ETag": f'"{len(body)}"'})
        del self.uploads[request.query["uploadId"]]
        if request.method == "DELETE":
            return web.Response(status=204)
        root = ET.fromstring(body)  # noqa: S314  obstore's
        order = [int(one.text or "") for one in root.iter() if one.tag.endswith("PartNumber")]
        done = await self._put(request, bucket, name, b"".join(parts[number] for number in order))
        told = f"<Key>{escape(name)}</Key><ETag>{escape(done.headers['ETag'])}</ETag>"
        answer = _xml(f"<CompleteMultipartUploadResult>{told}</CompleteMultipartUploadResult>")
        answer.headers.update({key: done.headers[key] for key in ("ETag", "x-goog-generation")})
        return answer

    async def _copy(self, bucket: str, name: str, source: str) -> web.Response:
        there, _, what = source.partition("/")
        way = f"{_place(there, what)}/rewriteTo{_place(bucket, name).removeprefix('/storage/v1')}"
        status, told = await self._ask("POST", way, b"{}", {"Content-Type": JSON})
        if status != 200:
            return _no(status, "NoSuchKey")
        answer = _xml("<CopyObjectResult/>")
        answer.headers.update(_marks(orjson.loads(told)["resource"]))
        return answer

    async def _get(self, request: web.BaseRequest, bucket: str, name: str) -> web.StreamResponse:
        status, told = await self._ask("GET", _place(bucket, name))
        if status != 200:
            return _no(status, "NoSuchKey")
        made = orjson.loads(told)
        when = format_datetime(datetime.fromisoformat(made["updated"]), usegmt=True)
        headers = {**_marks(made), "Last-Modified": when, "Accept-Ranges": "bytes"}
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": made["size"]})
        _, body = await self._ask("GET", f"{_place(bucket, name)}?alt=media")
        if asked := request.http_range.start is not None or request.http_range.stop is not None:
            first, last, _ = request.http_range.indices(len(body))
            headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(body)}"
            body = body[first:last]
        return web.Response(status=206 if asked else 200, body=body, headers=headers)

    async def _list(self, bucket: str, query: Mapping[str, str]) -> web.Response:
        asked = "&".join(
            f"{ours}={quote(query[theirs], safe='')}" for theirs, ours in ASKED.items() if query.get(theirs)
        )
        status, told = await self._ask("GET", f"/storage/v1/b/{bucket}/o?{asked}")
        if status != 200:
            return _no(status, "NoSuchBucket")
        found = orjson.loads(told)
        rows = [_row(one) for one in found.get("items", ()) if one["name"] > query.get("start-after", "")]
        rows += [
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in found.get("prefixes", ())
        ]
        token = found.get("nextPageToken")
        rows += [f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"] if token else []
        cut = str(bool(token)).lower()
        return _xml(f"<ListBucketResult><IsTruncated>{cut}</IsTruncated>{''.join(rows)}</ListBucketResult>")


def _place(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


def _marks(made: Mapping[str, Any]) -> dict[str, str]:
    etag = made["etag"].strip('"')
    return {"ETag": f'"{etag}"', "x-goog-generation": str(made["generation"])}


def _row(one: Mapping[str, Any]) -> str:
    told = {
        "Key": one["name"],
        "Size": str(one["size"]),
        "LastModified": one["updated"],
        "ETag": _marks(one)["ETag"],
        "Generation": str(one["generation"]),
    }
    return f"<Contents>{''.join(f'<{name}>{escape(text)}</{name}>' for name, text in told.items())}</Contents>"


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")


def _no(status: int, code: str) -> web.Response:
    return web.Response(status=status, text=GONE.format(code), content_type="application/xml")

"""Marked secrets, and a search for them in everything that a run leaves or says."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True)
class Marks:
    """Secrets that stand out."""

    key: str = "canaryKEY0a1b2c3d4e5f"
    secret: str = "canarySECRET/9f8e+7d6c=5b"
    proxy: str = "canaryPROXY:4a5b@6c"

    def forms(self) -> set[bytes]:
        """Each of them as it is, as part of a URL, in JSON, and in base64 as headers have it."""
        plain = {self.key, self.secret, self.proxy}
        coded = {f"{self.key}:{self.secret}", f"proxy-user:{self.proxy}", *plain}
        texts = plain | {quote(text, safe="") for text in plain} | {json.dumps(text)[1:-1] for text in plain}
        return {text.encode() for text in texts} | {base64.b64encode(text.encode()).rstrip(b"=") for text in coded}


MARKS = Marks()


def leaks(content: bytes) -> list[bytes]:
    """The forms that stand in there."""
    return sorted(form for form in MARKS.forms() if form in content)


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below the folder: as it is; Parquet as its values; base64 within JSON lines decoded, too."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield path, raw
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            yield path, json.dumps(file.read().to_pylist(), default=str).encode()
            yield path, str(file.schema_arrow).encode() + str(file.metadata).encode()
        if path.suffix == ".jsonl":
            yield path, b"".join(base64.b64decode(json.loads(line).get("raw_base64", "")) for line in raw.splitlines())


def assert_clean(*said: bytes, folder: Path) -> None:
    """Nothing that was said and no file holds a mark."""
    for content in said:
        assert leaks(content) == [], content[:2000]
    for path, content in contents(folder):
        assert leaks(content) == [], path

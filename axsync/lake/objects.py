"""A store of objects (S3, GCS, Azure): the only module that knows obstore, and what obstore does not hide.

What a folder does by a rename or a lock is done by conditions here: create where nothing is, replace what is still what
was read. A request whose answer is lost is sent again, and then meets its own object, so what is there is read before
a refusal is believed. Every change asks the lease first, with all that its condition needs read before that: what a
process that was paused still sends when it wakes is refused by the store, or hurts nobody.

Parts are written to a folder of this machine and uploaded when they are sealed. What grows are numbered objects
(`axsync.lake.numbered`).
"""

import errno
import io
import os
import re
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias
from uuid import UUID, uuid4

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore as Bucket
from pyarrow.fs import FileInfo, FileSelector, FileSystemHandler, FileType, PyFileSystem

from axsync.errors import LakeError, LakeUnfit, NoLake, NoLakeYet, Overtaken
from axsync.lake import layout
from axsync.lake.answers import EXPIRED, as_os_error, code_of
from axsync.lake.lease import TTL, Lease, LockObject, Mark, ObjectState, join
from axsync.lake.local import make_folder, own_folder
from axsync.lake.numbered import HEAD, NumberedPiece, decode, encode, joined, number_of, piece_key, start_of
from axsync.lake.store import FileSystem, Item, ListedKey, Move, NativeFile, Result, storage_errors
from axsync.lake.uploads import UPLOAD, Uploads

if TYPE_CHECKING:
    from obstore import Attributes

Condition: TypeAlias = Mark | Literal["create"]

ONE_PUT = 16 << 20
"""Bytes that are uploaded in one request, which leaves nothing behind where it fails."""
CHUNK, CHUNKS_AT_ONCE = 8 << 20, 4
"""Of a larger upload."""
READ_AHEAD = 1 << 20
"""Bytes that are asked for at least where a large content is read here and there."""
AT_ONCE = 8
"""Requests for many small things."""
MOST_REMOVED = 500
"""Objects that one request removes."""
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before a conditional write is sent again that the store refused, although its condition holds (409)."""

PAGE: "Attributes" = {"Content-Type": "text/html; charset=utf-8"}
"""Of a report, so that a browser shows what a bucket serves instead of saving it."""
SMALL, KEPT = 1 << 20, 64 << 20
"""Bytes of a content that is kept in memory while nobody else can change it, and of all of them."""
MANY = 4
"""Pieces of a content that are made one at the end; later readers ask for each of them."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a listing has it."""

    size: int
    etag: str


@dataclass(slots=True, eq=False, weakref_slot=True)
class ObjectStore:
    """A bucket as `axsync.lake.store.Store`; keys are below the `prefix`, which may be empty.

    `address` is the URI that people gave. `renewed` makes the bucket anew, with fresh credentials, where they expire
    before their time. Drafts are in a private folder below `drafts`, by default in the system's for temporary files.
    `uploads` are those that never ended, for stores where somebody has to end them.
    """

    bucket: Bucket
    prefix: str
    address: str
    renewed: Callable[[], Bucket] | None = None
    drafts: Path | None = None
    foreign: Callable[[], dict[str, str]] = dict  # what delta-rs has to know of it
    uploads: Callable[[], Uploads] | None = None
    storage_class: str = ""  # of parts that are uploaded to where they are published; empty: the bucket's
    copier: Callable[[Bucket, str, str], object] | None = None  # from path to path, where obstore's own does not do
    ttl: float = TTL
    _who: UUID = field(default_factory=uuid4)
    _lease: Lease | None = field(default=None, init=False)  # that stands before each change
    _shared: "_Shared | None" = field(default=None, init=False)  # a lock that others of the run have as well
    _ends: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)  # growing key → next number, its size
    _growing: set[str] = field(default_factory=set, init=False)  # keys that have pieces, as far as they were met
    _pieces: dict[str, tuple[str, bytes]] = field(default_factory=dict, init=False)  # small ones, by their ETags
    _kept: dict[str, bytes] = field(default_factory=dict, init=False)  # what was read while the lease was held
    _forever: dict[str, bytes] = field(default_factory=dict, init=False)  # what is called by its hash
    _changes: int = field(default=0, init=False)
    _fit: bool = field(default=False, init=False)  # conditions are heeded
    _folder: Path | None = field(default=None, init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    # Requests

    def _path(self, key: str) -> str:
        return "/".join(part for part in (self.prefix, key) if part)

    def _key(self, path: str) -> str:
        return path[len(self.prefix) + 1 :] if self.prefix else path

    def _ask(self, verb: Callable[..., Result], key: str, *args: Any, **named: Any) -> Result:  # whatever a verb takes
        """Raises: OSError in words; AlreadyExistsError and PreconditionError."""
        for again in (True, False):
            try:
                return verb(self.bucket, self._path(key), *args, **named)
            except (AlreadyExistsError, PreconditionError):
                raise
            except (BaseError, FileNotFoundError) as error:
                if not (again and self.renewed and code_of(error) in EXPIRED):
                    raise as_os_error(error, key) from None
                self.bucket = self.renewed()
        raise AssertionError("the second try ends it")

    @contextmanager
    def _change(self, *keys: str) -> Iterator[None]:
        """Around each change. Raises: Overtaken, before it, or where that may be why it failed."""
        if self._lease is not None:
            self._lease.check()
        try:
            yield
        except OSError:
            if self._lease is not None:
                self._lease.renew()
            raise
        finally:
            self._changes += 1
            for key in keys:
                self._kept.pop(number_of(key)[0], None)

    def _put_if(self, key: str, content: bytes, condition: Condition) -> bool:
        """A conditional write; whether it was made. Raises: as `_change`, also where the condition does not hold."""
        with self._change(key):
            mark = self._put(key, content, condition)
        return mark is not None or self._refused()

    def _refused(self) -> bool:
        """That a condition does not hold. Raises: Overtaken, where that is why."""
        if self._lease is not None:
            self._lease.renew()
        return False

    def _look(self, key: str) -> ObjectState | None:
        try:
            content, meta = self._ask(_fetched, key)
            return ObjectState(content, _mark(meta), meta["last_modified"])
        except FileNotFoundError:
            return None

    def _put(self, key: str, content: bytes, condition: Condition) -> Mark | None:
        """A conditional write; None where something else is there."""
        for pause in (*PAUSES, None):
            try:
                return _mark(self._ask(obstore.put, key, content, mode=condition, use_multipart=False))
            except (AlreadyExistsError, PreconditionError):
                seen = self._look(key)
            if seen is not None and seen.content == content:
                return seen.mark
            holds = seen is None if condition == "create" else seen is not None and seen.mark == condition
            if not holds or pause is None:
                return None
            time.sleep(pause)
        return None

    # Names

    def name(self, key: str = "") -> str:
        """As `Store.name`."""
        return self.uri(key)

    def uri(self, key: str = "") -> str:
        """As `Store.uri`."""
        return f"{self.address.rstrip('/')}/{key}" if key else self.address

    def options(self) -> dict[str, str]:
        """As `Store.options`: with credentials, so not to be shown.

        Commits of delta-rs do not pass this store: who was overtaken gets nothing to open a table with.
        """
        with self._change():
            return self.foreign()

    def file_system(self) -> FileSystem:
        """As `Store.file_system`."""
        return PyFileSystem(_Files(self))

    # Before a run, and around what writes

    def refuse_no_lake(self) -> None:
        """As `Store.refuse_no_lake`."""
        try:
            is_there = self.has(layout.CONTROL)
        except OSError as error:
            raise NoLake(f"the lake {self.name()!r} cannot be read: {error.strerror}") from error
        if not is_there:
            raise NoLakeYet(f"there is no lake {self.name()!r} yet")

    def preflight(self, prefixes: Collection[str] = ()) -> None:
        """As `Store.preflight`: once, whether the store heeds conditions. All prefixes are alike."""
        del prefixes
        if not self._fit:
            try:
                self._refuse_blind()
            except OSError as error:
                raise LakeError(f"the lake {self.name()!r} cannot be written: {error.strerror}") from error
            self._fit = True

    def _refuse_blind(self) -> None:
        probe = layout.trial(self._who.hex)
        try:
            first = self._put(probe, b"1", "create")
            second = self._put(probe, b"2", "create") if first else None
            right = self._put(probe, b"3", first) if first else None
            stale = self._put(probe, b"4", first) if first else None
            if not (first and right) or second or stale:
                raise LakeUnfit(
                    f"the lake {self.name()!r} cannot be written safely: the store does not heed conditions"
                    " (If-None-Match, If-Match), so that two runs could overwrite each other; use a store that does"
                )
        finally:
            with suppress(OSError):
                self._remove([probe])

    def prepare(self) -> None:
        """As `Store.prepare`: a bucket needs nothing."""

    @contextmanager
    def hold(self, key: str, *, what: str, run: str, shared: bool = False) -> Iterator[None]:
        """As `Store.hold`: a lease. That of the lake stands before each change.

        A lock that is `shared` is nobody's lease: the lock that is held within it stands before each change then. From
        its end on, this store has forgotten what has grown under it.
        """
        if shared:
            with self._sharing(_Shared(_LockObject(self, key), what, run, self.ttl)):
                yield
            return
        with storage_errors(f"lock {what}"):
            lease = Lease.take(_LockObject(self, key), self._who, what=what, run=run, ttl=self.ttl)
        with lease.kept():
            if self._shared is not None:
                self._shared.join()
            elif key != layout.LOCK:
                yield
                return
            self._lease = lease
            try:
                yield
                self._compact()
            finally:
                self._lease = None
                self._ends.clear()
                self._kept.clear()

    @contextmanager
    def _sharing(self, shared: "_Shared") -> Iterator[None]:
        shared.join()
        self._shared = shared
        try:
            yield
        finally:
            self._shared = None

    def is_sure(self) -> bool:
        """As `Store.is_sure`."""
        return self._lease is None or self._lease.is_sure

    def prove(self) -> None:
        """As `Store.prove`."""
        if self._lease is not None:
            self._lease.check()

    def _compact(self) -> None:
        """Make one piece of each content to which this holder has appended many, so that others have little to ask."""
        for key, (number, size) in [*self._ends.items()]:
            if number >= MANY and size <= SMALL:
                with suppress(OSError, Overtaken):
                    pieces = self._pieces_of(key)
                    content = self._joined(key, pieces)
                    self._ends[key] = number, 0
                    self.append(key, content)
                    self._remove([piece_key(key, one) for one in pieces])

    def epoch(self) -> int:
        """As `Store.epoch`: the epoch of the lease."""
        return self._lease.epoch if self._lease else 0

    @contextmanager
    def scratch(self) -> Iterator[str | None]:
        """As `Store.scratch`."""
        with ExitStack() as held:
            made = None
            with suppress(OSError):
                made = str(own_folder(self._drafts_place(), held))
            yield made

    def _drafts_place(self) -> Path:
        if self.drafts is not None:
            return self.drafts
        place = Path(tempfile.gettempdir()) / f"axsync-{os.getuid()}"
        make_folder(place)
        if place.is_symlink() or place.stat().st_uid != os.getuid():
            raise OSError(errno.EACCES, f"{str(place)!r} belongs to somebody else")
        return place

    def _draft(self) -> Path:
        """Where the next draft is written; the folder goes with this store."""
        with self._turn:
            if self._folder is None:
                held = ExitStack()
                self._folder = own_folder(self._drafts_place(), held)
                weakref.finalize(self, held.close)
            return self._folder / uuid4().hex

    # Reading

    def read(self, key: str, most: int | None = None) -> bytes:
        """As `Store.read`; at once where it was read before, and the lease keeps others from changing it."""
        if (kept := self._kept.get(key)) is not None:
            return kept[:most]
        if layout.is_lasting(key):
            return self._lasting(key)[:most]
        changes = self._changes
        content = self._content(key, most)
        is_whole = most is None and len(content) <= SMALL and self._changes == changes
        if is_whole and self._lease is not None and sum(map(len, [*self._kept.values()])) < KEPT:
            self._kept[key] = content
        return content

    def _lasting(self, key: str) -> bytes:
        """What never changes once it is there, asked for once: the columns that many snapshots name."""
        if key not in self._forever:
            self._forever[key] = self._ask(_fetched, key)[0]
        return self._forever[key]

    def _content(self, key: str, most: int | None) -> bytes:
        if key not in self._growing:
            with suppress(FileNotFoundError):
                content, meta = self._ask(_fetched, key, most)
                return (
                    content
                    if len(content) == meta["size"]
                    else bytes(self._ask(obstore.get_range, key, start=0, length=most))
                )
        for _ in PAUSES:
            if not (pieces := self._pieces_of(key)):
                break
            with suppress(FileNotFoundError):  # they were made one meanwhile
                return self._joined(key, pieces)[:most]
        if self._lease is not None:  # who has overtaken this process may have moved or removed it
            self._lease.check()
        raise FileNotFoundError(errno.ENOENT, "there is no such object", key)

    def _pieces_of(self, key: str) -> dict[int, ListedObject]:
        """The pieces of a content that grows, by their numbers, in their order."""
        return self._pieces_among(key, self._objects(layout.folder_of(key)))

    def _pieces_among(self, key: str, objects: Mapping[str, ListedObject]) -> dict[int, ListedObject]:
        found = ((number_of(path), one) for path, one in objects.items())
        pieces = {number: one for (of, number), one in found if of == key and number is not None}
        if pieces:
            self._growing.add(key)
        return dict(sorted(pieces.items()))

    def _joined(self, key: str, pieces: Mapping[int, ListedObject]) -> bytes:
        stored = _each(lambda piece: self._piece(piece_key(key, piece[0]), piece[1]), pieces.items())
        try:
            return joined(map(decode, stored))
        except ValueError as error:
            raise OSError(errno.EIO, str(error)) from error

    def _piece(self, path: str, one: ListedObject) -> bytes:
        """A piece, which never changes."""
        etag, content = self._pieces.get(path, ("", b""))
        if etag and etag == one.etag:
            return content
        content, _ = self._ask(_fetched, path)
        if one.etag and one.size <= SMALL:
            if sum(len(kept) for _, kept in [*self._pieces.values()]) > KEPT:
                self._pieces.clear()
            self._pieces[path] = one.etag, content
        return content

    def _grown(self, key: str, number: int, last: ListedObject) -> int:
        """How long a content is that has this last piece."""
        path = piece_key(key, number)
        if last.size <= SMALL:
            return start_of(self._piece(path, last)) + last.size - HEAD
        return start_of(bytes(self._ask(obstore.get_range, path, start=0, length=HEAD))) + last.size - HEAD

    def open(self, key: str) -> NativeFile:
        """As `Store.open`: at once where it is small."""
        return self.opened(key, _Ranges)

    def opened(self, key: str, ranges: "type[_Ranges]") -> NativeFile:
        """The same; a large content is asked for by such `ranges`."""
        try:
            content, meta = self._ask(_fetched, key, ONE_PUT)
        except FileNotFoundError:
            return pa.BufferReader(self.read(key))  # perhaps in pieces
        if len(content) == meta["size"]:
            return pa.BufferReader(content)
        return pa.PythonFile(io.BufferedReader(ranges(self, key, meta["size"]), READ_AHEAD), mode="r")

    def size(self, key: str) -> int | None:
        """As `Store.size`."""
        size = None if key in self._growing else self._plain_size(key)
        if size is None and (pieces := self._pieces_of(key)):
            return self._grown(key, max(pieces), pieces[max(pieces)])
        return size

    def _plain_size(self, key: str) -> int | None:
        try:
            return int(self._ask(obstore.head, key)["size"])
        except FileNotFoundError:
            return None

    def is_inside(self, key: str) -> bool:
        """As `Store.is_inside`."""
        del key
        return True

    def has(self, prefix: str) -> bool:
        """As `Store.has`."""
        if prefix and prefix in {number_of(key)[0] for key in self._objects(layout.folder_of(prefix))}:
            return True
        return self._ask(lambda bucket, path: any(obstore.list(bucket, path, chunk_size=1)), prefix)

    def names(self, prefix: str) -> tuple[str, ...]:
        """As `Store.names`; some stores keep folders in which nothing is any more, and these are among them."""
        found = self._listed(prefix)
        keys = {number_of(key)[0] for key in self._below(prefix, found["objects"])}
        return tuple(sorted({layout.name_of(path) for path in (*keys, *found["common_prefixes"])}))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """As `Store.folders`, by all keys below it."""
        start = len(prefix) + 1 if prefix else 0
        below = (number_of(key)[0][start:] for key in self._all_objects(prefix))
        return tuple(sorted({key.partition("/")[0] for key in below if "/" in key}))

    def _objects(self, prefix: str) -> dict[str, ListedObject]:
        """The keys right below a prefix, pieces one by one."""
        return self._below(prefix, self._listed(prefix)["objects"])

    def _listed(self, prefix: str) -> Any:  # noqa: ANN401  a table is possible, which was not asked for
        return self._ask(obstore.list_with_delimiter, prefix)

    def _all_objects(self, prefix: str) -> dict[str, ListedObject]:
        """The same for all keys below it."""
        found = self._ask(lambda bucket, path: [one for some in obstore.list(bucket, path) for one in some], prefix)
        return self._below(prefix, found)

    def _below(self, prefix: str, found: Iterable[Mapping[str, Any]]) -> dict[str, ListedObject]:
        # Consoles leave objects that are called like a folder; such a one is no key below it.
        own = self._path(prefix)
        named = ((self._key(one["path"]), one) for one in found if one["path"] != own)
        return {key: ListedObject(one["size"], one["e_tag"] or "") for key, one in named}

    def list(self, pattern: str) -> Iterator[ListedKey]:
        """As `Store.list`."""
        wanted, found = _fits(pattern), dict[str, tuple[int | None, ListedObject]]()
        for prefix in self._prefixes(pattern):
            is_flat = "*" not in layout.folder_of(pattern)
            for path, one in (self._objects(prefix) if is_flat else self._all_objects(prefix)).items():
                key, number = number_of(path)
                if wanted.fullmatch(key) and (number is None or key not in found or number > (found[key][0] or 0)):
                    found[key] = number, one
        growing = [(key, number, one) for key, (number, one) in found.items() if number is not None]
        sizes = dict(zip((key for key, *_ in growing), _each(self._size_by_last, growing), strict=True))
        yield from (ListedKey(key, sizes.get(key, found[key][1].size)) for key in sorted(found))

    def _size_by_last(self, last: tuple[str, int, ListedObject]) -> int:
        self._growing.add(last[0])
        try:
            return self._grown(*last)
        except FileNotFoundError:  # its pieces were made one meanwhile
            return self.size(last[0]) or 0

    def _prefixes(self, pattern: str) -> Sequence[str]:
        """What to list: what is before the first star; of the root only what fits, without runs and journals."""
        segments = pattern.split("/")
        fixed = [*takewhile(lambda one: "*" not in one, segments[:-1])]
        if fixed or len(segments) == 1 or "**" in segments[0]:
            return ("/".join(fixed),)
        wanted = _fits(segments[0])
        names = sorted(layout.name_of(path) for path in self._listed("")["common_prefixes"])
        return [name for name in names if wanted.fullmatch(name)]

    def unfinished(self, prefix: str) -> Iterator[ListedKey]:
        """As `Store.unfinished`: uploads of many requests."""
        if self.uploads is not None:
            with _translated():
                for name, size in self.uploads().begun(f"{self._path(prefix)}/".lstrip("/")):
                    yield ListedKey(self._key(name), size)

    # Writing

    def write(self, key: str, content: bytes, *, shared: bool = False) -> None:
        """As `Store.write`."""
        del shared
        attributes = PAGE if key.endswith(".html") else None
        with self._change(key):
            self._ask(obstore.put, key, content, use_multipart=False, attributes=attributes)

    def create(self, key: str) -> "Upload":
        """As `Store.create`."""
        path = self._draft()
        return Upload(self, key, path, path.open("xb"))

    def upload(self, path: Path, key: str) -> None:
        """Put a file of this machine in place. Raises: OSError, Overtaken."""
        size = path.stat().st_size
        lasting: Attributes | None = {"Storage-Class": self.storage_class} if self.storage_class else None
        attributes = lasting if layout.is_part(key) else None
        with self._change(key):
            if size <= ONE_PUT:
                self._ask(obstore.put, key, path.read_bytes(), use_multipart=False, attributes=attributes)
            else:
                self._upload(path, key, size, attributes)

    def _upload(self, path: Path, key: str, size: int, attributes: "Attributes | None") -> None:
        chunks = {"chunk_size": CHUNK, "max_concurrency": CHUNKS_AT_ONCE}
        try:
            self._ask(obstore.put, key, path, attributes=attributes, **chunks)
        except OSError:
            # The answer to the last request of many may be lost, and the upload is unknown when it is asked again.
            if self._plain_size(key) != size:
                raise

    def write_if_absent(self, key: str, content: bytes, *, shared: bool = False) -> bool:
        """As `Store.write_if_absent`. A journal begins as a piece: a whole one that came late would hide others."""
        del shared
        if layout.is_journal(key):
            return self.size(key) is None and self._put_if(piece_key(key, 0), encode(self._first(content)), "create")
        return self._put_if(key, content, "create")

    def _first(self, content: bytes) -> NumberedPiece:
        return NumberedPiece(0, self._who, content)

    def replace_if_unchanged(self, key: str, seen: bytes | None, content: bytes, *, shared: bool = False) -> bool:
        """As `Store.replace_if_unchanged`: what is there is looked at before the lease is."""
        if seen is None:
            return self.write_if_absent(key, content, shared=shared)
        there = self._look(key)
        if there is None or there.content != seen:
            self._kept.pop(key, None)  # a request of an earlier holder came late
            return self._refused()
        return self._put_if(key, content, there.mark)

    def adopt(self, *keys: str) -> None:
        """As `Store.adopt`: objects are durable, and their rights are the bucket's."""

    def append(self, key: str, content: bytes) -> int:
        """As `Store.append`; also nothing is a piece, which stops whoever else still appends."""
        number, size = self._ends.get(key) or self._end(key)
        piece = NumberedPiece(size, self._who, content)
        while not self._put_if(piece_key(key, number), encode(piece), "create"):
            # It is of one who was paused and has lost the lease. What he put there is void by the piece behind it.
            if self._lease is None:
                raise OSError(errno.EBUSY, "another process writes to it")
            number += 1
        self._ends[key] = number + 1, piece.end
        return piece.end

    def _end(self, key: str) -> tuple[int, int]:
        """The number of the next piece, and the length so far. What was written whole, in a folder say, becomes one."""
        objects = self._objects(layout.folder_of(key))
        pieces = self._pieces_among(key, objects)
        if key in objects:
            if not pieces:
                content, _ = self._ask(_fetched, key)
                self._put_if(piece_key(key, 0), encode(NumberedPiece(0, self._who, content)), "create")
            self._remove([key])
            pieces = self._pieces_of(key)
        return (max(pieces) + 1, self._grown(key, max(pieces), pieces[max(pieces)])) if pieces else (0, 0)

    def truncate(self, key: str, size: int) -> None:
        """As `Store.truncate`: by a piece that begins there and is empty."""
        number, end = self._ends.get(key) or self._end(key)
        if end > size:
            self._ends[key] = number, size
            self.append(key, b"")

    def commit(self, moves: Sequence[Move]) -> None:
        """As `Store.commit`: all copies, and then what was copied goes."""
        with self._change():  # also what is missing may be so because another process was quicker
            copies = [pair for pairs in _each(self._copies, moves) for pair in pairs]
            _each(self._copy, copies)
        self._remove([source for source, _ in copies])

    def _copies(self, move: Move) -> Sequence[tuple[str, str]]:
        """From where to where. Raises: FileNotFoundError, for what is in neither place."""
        staged, final = {*self.names(move.staged)}, {*self.names(move.final)}
        for name in sorted(move.names - staged - final):
            raise FileNotFoundError(errno.ENOENT, "there is no such object", f"{move.staged}/{name}")
        return [(f"{move.staged}/{name}", f"{move.final}/{name}") for name in sorted(move.names & staged)]

    def _copy(self, pair: tuple[str, str]) -> None:
        source, target = pair
        with self._change(target):
            self._ask(self.copier or obstore.copy, source, self._path(target))

    def delete(self, *keys: str) -> None:
        """As `Store.delete`."""
        gone, meant = list[str](), {*keys}
        for upload in (key for key in keys if UPLOAD in key):
            self._abort(upload)
        for folder in dict.fromkeys(map(layout.folder_of, keys)):
            gone += [path for path in self._objects(folder) if number_of(path)[0] in meant or path in meant]
        self._remove(gone)
        for key in keys:
            self._ends.pop(key, None)

    def _abort(self, upload: str) -> None:
        if self.uploads is not None:
            with self._change(), _translated():
                self.uploads().abort(self._path(upload))

    def delete_all(self, prefix: str) -> None:
        """As `Store.delete_all`."""
        self._remove(list(self._all_objects(prefix)))
        for key in [key for key in self._ends if key.startswith(f"{prefix}/")]:
            self._ends.pop(key, None)

    def _remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there is no error, and one that stays keeps none of the others."""
        for start in range(0, len(keys), MOST_REMOVED):
            some = keys[start : start + MOST_REMOVED]
            paths = [self._path(key) for key in some]
            try:
                with self._change(*some):
                    self._ask(lambda bucket, _, gone=paths: obstore.delete(bucket, gone), "")
            except OSError:  # Azure and GCS tell of one that is not there, and then of no other
                self._remove_each(some)

    def _remove_each(self, keys: Sequence[str]) -> None:
        def remove(key: str) -> OSError | None:
            try:
                with self._change(key), suppress(FileNotFoundError):
                    self._ask(obstore.delete, key)
            except OSError as error:
                return error
            return None

        if failed := [error for error in _each(remove, keys) if error]:
            raise failed[0]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of this machine as `axsync.lake.store.Draft`."""

    store: ObjectStore
    key: str
    path: Path
    file: BinaryIO

    def seal(self) -> None:
        """As `Draft.seal`."""
        self.file.close()
        self.store.upload(self.path, self.key)
        self.path.unlink()

    def abandon(self) -> None:
        """As `Draft.abandon`."""
        try:
            self.file.close()
        finally:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _LockObject:
    """One object as `axsync.lake.lease.LockObject`."""

    store: ObjectStore
    key: str

    def look(self) -> ObjectState | None:
        return self.store._look(self.key)  # noqa: SLF001  one module

    def swap(self, mark: Mark | None, content: bytes) -> Mark | None:
        try:
            return self.store._put(self.key, content, mark or "create")  # noqa: SLF001  one module
        except FileNotFoundError:  # some stores say so where nothing is left that could be replaced
            return None

    def now(self) -> datetime:
        """When the store says that it took a probe."""
        probe = layout.trial(uuid4().hex)
        try:
            self.store._ask(obstore.put, probe, b"", use_multipart=False)  # noqa: SLF001  one module
            return self.store._ask(obstore.head, probe)["last_modified"]  # noqa: SLF001  one module
        finally:
            with suppress(OSError):
                self.store._remove([probe])  # noqa: SLF001  one module

    def sharers(self, run: str) -> Sequence[tuple[LockObject, ObjectState]]:
        places = [_LockObject(self.store, one.key) for one in self.store.list(layout.shard_locks(run))]
        states = _each(_LockObject.look, places)
        return [(place, state) for place, state in zip(places, states, strict=True) if state is not None]


@dataclass(frozen=True, slots=True)
class _Shared:
    """A lock that the processes of a run have together."""

    place: _LockObject
    what: str
    run: str
    ttl: float

    def join(self) -> None:
        """As `axsync.lake.lease.join`. Raises: Busy, StorageError."""
        with storage_errors(f"lock {self.what}"):
            join(self.place, self.run, what=self.what, ttl=self.ttl)


class _Ranges(io.RawIOBase):
    """A large content, asked for piece by piece."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  any writable buffer
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        found = self._store._ask(obstore.get_range, self._key, start=self._at, length=length)  # noqa: SLF001  one module
        buffer[: len(found)] = bytes(found)
        self._at += len(found)
        return len(found)


class _RangesOfArrow(_Ranges):
    """The same for Arrow's threads, which find an end of the file instead of an error; see `_Files`."""

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  any writable buffer
        try:
            return super().readinto(buffer)
        except OSError:
            return 0


class _Files(FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """The store as pyarrow sees it, for reading.

    A file that cannot be opened or read is an empty or a short one, which Arrow refuses in its own words. It asks for
    the text of a Python error while it holds a lock, for which a thread that has the interpreter may be waiting: then
    both wait for ever. Whoever is told of such a file looks whether it is there.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def get_type_name(self) -> str:
        return "axsync"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> Sequence[FileInfo]:
        return [self._found(path) for path in paths]

    def _found(self, path: str) -> FileInfo:
        size = self._store.size(path)
        if size is not None:
            return FileInfo(path, FileType.File, size=size)
        return FileInfo(path, FileType.Directory if self._store.has(path) else FileType.NotFound)

    def get_file_info_selector(self, selector: FileSelector) -> Sequence[FileInfo]:
        below = layout.below(selector.base_dir) if selector.recursive else f"{selector.base_dir}/*"
        return [FileInfo(one.key, FileType.File, size=one.size) for one in self._store.list(below)]

    def open_input_file(self, path: str) -> NativeFile:
        try:
            return self._store.opened(path, _RangesOfArrow)
        except OSError:
            return pa.BufferReader(b"")

    open_input_stream = open_input_file

    def _never(self, *_args: object) -> None:
        raise NotImplementedError("the lake is written by axsync")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = delete_file = move = copy_file = _never
    open_output_stream = open_append_stream = _never

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Files) and other._store is self._store

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return id(self._store)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises: OSError in words; boto3's errors have addresses, and none of them is one."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  boto3 is not known here, and makes its errors as it goes
        raise OSError(errno.EIO, f"uploads cannot be looked at ({type(error).__name__})") from None


def _each(work: Callable[[Item], Result], items: Collection[Item]) -> list[Result]:
    """Work on items, several at once; the results in their order."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(AT_ONCE, len(items)), "axsync-store") as pool:
        return list(pool.map(work, items))


def _fetched(bucket: Bucket, path: str, most: int | None = None) -> tuple[bytes, Mapping[str, Any]]:
    """A content and what is known of it; without its bytes where they are more than `most`, in the same request."""
    found = obstore.get(bucket, path)
    too_large = most is not None and found.meta["size"] > most
    return b"" if too_large else bytes(found.bytes()), found.meta


def _mark(told: Mapping[str, Any]) -> Mark:
    """What of an answer names the state of an object; obstore takes no keys that are empty."""
    return {name: told[name] for name in ("e_tag", "version") if told.get(name)}


def _fits(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*"))

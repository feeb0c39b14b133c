"""What can go wrong, as facts.

AxsyncError
├── UsageError               the caller asked for something impossible (exit 2)
│   ├── ConfigError          a setting is missing, unknown or out of range
│   │   ├── NoInstance       no instance is configured
│   │   ├── UnknownQuery     no instance has this saved query
│   │   ├── UnknownField     no instance lists this field
│   │   └── NoFile           the settings file does not exist
│   ├── StoreError           the credential store cannot be read or written
│   │   ├── StoreExposed     others can read or change it
│   │   ├── StoreLocked      its passphrase or key file is missing or wrong
│   │   │   ├── WrongPassphrase      typed by a person
│   │   │   ├── WrongPassphraseFile
│   │   │   └── WrongKeyFile
│   │   └── StoreDamaged     it is not what axsync wrote
│   │       ├── ListDamaged  the list of names
│   │       ├── EntryMissing         a secret is not where the list says
│   │       └── EntryChanged         the list contradicts what was sealed with the secret
│   ├── UnknownCredential    no store has a credential of this name
│   ├── WrongHost            the credential belongs to another host
│   ├── UnknownEntity        the instance does not offer this entity type
│   ├── LakeError            the lake cannot be written
│   │   ├── LakeUnfit        it is not what the settings want it to be
│   │   ├── ForeignTable     one of its tables is somebody else's, or was changed
│   │   ├── RegistryDamaged  the registry of an entity type cannot be read; a ManifestError, too
│   │   └── NewestDamaged    its newest snapshot cannot be read; a ManifestError, too
│   ├── NoLake               there is no lake to read from
│   │   └── NoLakeYet        there is nothing at all
│   ├── UnknownRun           no run, or more than one, has this id
│   │   └── Unpublished      the run has no snapshot
│   ├── ManifestError        a manifest is damaged, or newer than this axsync
│   │   ├── ManifestNewer    written by a newer axsync
│   │   └── Unsure           gc cannot tell what is still needed, because a file cannot be read
│   ├── ReplacesBetter       a run would replace what its logical date has by less
│   ├── SnapshotGone         files of a snapshot are missing
│   └── NothingCommon        two snapshots have no entity type in common
├── ServerError              the server's fault; carries `host` and, if a response came, `status`
│   ├── Refused              401: the credential is not accepted; stops the instance (exit 4)
│   │   └── ProxyRefused     407: the proxy does not accept its user and password (exit 4)
│   ├── NotOffered           403 or 404 on a type's first page; the type is skipped with a notice
│   │   ├── UnknownApi       the host speaks no generation of the API that axsync knows
│   │   └── QueryMissing *   there is no such saved query
│   ├── BadRequest           400 or 422: the server does not understand the request
│   ├── Unreachable          no usable response after all tries (exit 75 if no host was reached)
│   │   ├── Untrusted        no safe connection: a certificate is invalid or missing (exit 1)
│   │   ├── WebPage          a web page instead of JSON: a login page, or an upgrade in progress (exit 75)
│   │   ├── TooHeavy         5xx or timeouts for a page that can be split
│   │   ├── RetryableStatus *    429 or 5xx, while tries are left
│   │   ├── TimedOut *       no response in time, while tries are left
│   │   └── NotRetryable *   trying again is pointless; NotRetryablePage is its form for web pages
│   └── BadAnswer            a response that breaks the contract, after all tries
│       ├── InternalError    axsync itself failed on it; the log has the traceback
│       ├── Redirected       a redirect, which is not followed
│       ├── BrokenPage       a page that is cut off or malformed
│       ├── TooLarge         one that cannot be divided has more bytes than it may
│       └── EndlessList *    the list of saved queries does not end
├── LaneError                a guard stopped a lane: loop, endless listing
│   ├── OutOfTime            the deadline of the run has passed
│   └── MarkExpired *        the continuation token has expired; the lane starts over
├── Unreadable *             a record that cannot be decoded; it becomes a dead letter
├── CutPage *                a page whose JSON is incomplete; it is fetched again
├── StorageError             the disk or store failed while the lake was written (exit 1)
│   ├── CatalogError         the catalog of Iceberg tables did not do what it was asked (exit 1)
│   └── Overtaken            another process took over the lake meanwhile (exit 75)
├── OutOfMemory              the system gives this process no more memory (exit 1)
├── GuardRefused             a guard refused to publish (exit 5)
│   ├── DropByLimit          a limited run brought less than half
│   ├── DropByQuery          rows of a query would follow all rows, and are less than half
│   ├── KeepsBetter          the logical date has something better, which stays
│   └── NotWhole             all-or-nothing was requested, and something is missing
├── ShardUnfinished          a shard of the run has not come to its end (exit 75)
├── ShardFailed              a shard of the run could not read an entity type (exit 3)
├── WorkerFailed             a worker of a cluster could not read its shard (exit 1)
├── ClusterLost              there is no scheduler, or no worker, at the address of the cluster (exit 75)
└── Busy                     another run holds the lake or the host (exit 75)

Those with * are defined where they are raised and handled, and do not reach a caller of the library. `HostDead`
(`pacing`) is no AxsyncError: it tells the client that the host's circuit breaker has given up.

Errors carry facts as attributes and one plain sentence; `console.explain` adds the advice.
"""


class Terminated(BaseException):
    """SIGTERM outside of a run, which handles it itself. No `except Exception` may swallow it."""


class AxsyncError(Exception):
    """Base of all errors that axsync raises on purpose."""


class UsageError(AxsyncError):
    """The caller asked for something impossible; nothing was written or sent."""


class ConfigError(UsageError):
    """A setting is missing, unknown or out of range."""


class NoInstance(ConfigError):
    """Neither a settings file nor the environment names an instance."""


class UnknownField(ConfigError):
    """No instance lists this field for a type of which it is wanted."""


class UnknownQuery(ConfigError):
    """No instance has this saved query for this entity type."""


class NoFile(ConfigError):
    """The settings file does not exist."""


class StoreError(UsageError):
    """The credential store cannot be read or written."""


class StoreExposed(StoreError):
    """Others can read or change the credential store, or a link leads to it."""


class StoreLocked(StoreError):
    """The passphrase or key file of the credential store is missing or wrong."""


class WrongPassphrase(StoreLocked):
    """The typed passphrase does not open the credential store."""


class WrongPassphraseFile(StoreLocked):
    """The passphrase from a file does not open the credential store."""


class WrongKeyFile(StoreLocked):
    """The key file does not open the credential store."""


class StoreDamaged(StoreError):
    """The credential store, or an entry of it, is not what axsync wrote."""


class ListDamaged(StoreDamaged):
    """The list of credentials is not what axsync wrote."""


class EntryMissing(StoreDamaged):
    """The secret of a credential is not where the list says. Attribute: `name`."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class EntryChanged(StoreDamaged):
    """The list contradicts what was sealed with the secret of a credential. Attribute: `name`."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class UnknownCredential(UsageError):
    """No store has a credential of this name. Attribute: `name`."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class WrongHost(UsageError):
    """The credential belongs to another host than the instance. Attributes: `name`, `bound`, `asked` (URLs)."""

    def __init__(self, *, name: str, bound: str, asked: str) -> None:
        super().__init__(f"credential {name!r} belongs to {bound} and is not sent to {asked}")
        self.name, self.bound, self.asked = name, bound, asked


class UnknownEntity(UsageError):
    """The instance does not offer this entity type.

    Attributes: `entity`, `instance`, `nearest` (a similar offered name, or None).
    """

    def __init__(self, entity: str, *, instance: str, nearest: str | None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"instance {instance!r} offers no entity type {entity!r}{hint}")
        self.entity, self.instance, self.nearest = entity, instance, nearest


class LakeError(UsageError):
    """The lake cannot be written."""


class LakeUnfit(LakeError):
    """The lake is not what the settings want it to be. The message says what to do."""


class ForeignTable(LakeError):
    """A table of the lake is somebody else's, or was changed, so that nothing can be committed to it."""


class NoLake(UsageError):
    """There is no lake to read here."""


class NoLakeYet(NoLake):
    """There is nothing at all where the lake should be."""


class UnknownRun(UsageError):
    """No run of the lake, or more than one, matches this id. Attribute: `asked`, the id as it was given."""

    def __init__(self, message: str, *, asked: str) -> None:
        super().__init__(message)
        self.asked = asked


class Unpublished(UnknownRun):
    """The run has no snapshot: it was interrupted, or it published nothing. `asked` is its full id."""


class ManifestError(UsageError):
    """A manifest, a journal, or the pointer to the latest one is damaged, unreadable, or newer than this axsync.

    Attribute: `file`, relative to the lake; the message ends with it.
    """

    def __init__(self, message: str, *, file: str = "") -> None:
        super().__init__(f"{message}: {file}" if file else message)
        self.file = file


class ManifestNewer(ManifestError):
    """The manifest was written by a newer axsync."""


class NewestDamaged(LakeError, ManifestError):
    """The pointer to the newest snapshot, or the manifest that it names, cannot be read; `file` says which."""


class RegistryDamaged(LakeError, ManifestError):
    """The registry of an entity type, from which the next run takes names and types, cannot be read."""


PointerDamaged = NewestDamaged
"""The former name of `NewestDamaged`."""


class Unsure(ManifestError):
    """Nothing is removed, because a manifest or journal cannot be read and may name files that are still needed."""


class ReplacesBetter(UsageError):
    """What the run asks for is less than what its logical date has already."""


class SnapshotGone(UsageError):
    """Files that a manifest names are missing from the lake, or are not Parquet."""


class NothingCommon(UsageError):
    """Two snapshots have no entity type in common."""


class ServerError(AxsyncError):
    """The server, or something on the way to it, failed.

    Attributes: `host`, `status` (None without a response), `detail` (the server's words, redacted and truncated).
    """

    def __init__(self, message: str, *, host: str, status: int | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.host, self.status, self.detail = host, status, detail


class Refused(ServerError):
    """401: the host does not accept the credential."""


class ProxyRefused(Refused):
    """407: the proxy does not accept its user and password, or wants them."""


class NotOffered(ServerError):
    """403 or 404 on the first page of a type."""


class UnknownApi(NotOffered):
    """The host speaks no generation of the API that axsync knows."""


class BadRequest(ServerError):
    """400 or 422: the server does not understand the request; `detail` says why."""


class Unreachable(ServerError):
    """No usable response after all tries: refused connections, timeouts, 429 or 5xx."""


class Untrusted(Unreachable):
    """No safe connection is possible; `detail` says why the server's or our certificate is rejected.

    Attribute: `fault`: expired, early, name, issuer (the server's), missing, unwanted (ours), or empty.
    """

    def __init__(self, message: str, *, host: str, detail: str = "", fault: str = "") -> None:
        super().__init__(message, host=host, detail=detail)
        self.fault = fault


class TooHeavy(Unreachable):
    """5xx or timeouts, more than once, for a page that can be split."""


class WebPage(Unreachable):
    """A web page with status 200 instead of JSON, such as a login or maintenance page; `detail` has its title."""


class BadAnswer(ServerError):
    """A 200 whose body breaks the contract."""


class InternalError(BadAnswer):
    """A defect of axsync, met on an answer. It costs one entity type or instance; the cause has the traceback."""


class Redirected(BadAnswer):
    """The server redirects; the keys are not sent there. `detail` is the host that it names."""


class BrokenPage(BadAnswer):
    """A page that is cut off or malformed. Its words are values of assets, so that `detail` is empty."""


class TooLarge(BadAnswer):
    """An answer with more bytes than it may have."""


class LaneError(AxsyncError):
    """A guard stopped a lane that would not have ended or whose rows cannot be trusted."""


class OutOfTime(LaneError):
    """The deadline of the run has passed; the lane can be resumed."""


class OutOfMemory(AxsyncError):
    """The system gives this process no more memory; what is durable stays, and the run can be resumed."""


_LACKING = ("bad_alloc", "Failed to launch worker thread", "can't start new thread")


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """What to tell where this error means that; pyarrow's own are MemoryErrors too, or pass on the words of C++."""
    if not isinstance(error, MemoryError) and not any(words in str(error) for words in _LACKING):
        return None
    return OutOfMemory("the system gives this process no more memory or threads")


class StorageError(AxsyncError):
    """The disk or store failed while the lake was written; the previous snapshot is unchanged."""


class CatalogError(StorageError):
    """The catalog of Iceberg tables does not answer, or did not do what it was asked."""


class Overtaken(StorageError):
    """The lease was lost: another process holds the lake, because this one could not renew its lease in time."""


class NoRoomToSpill(StorageError):
    """DuckDB needs more memory than it may have, and there is no room, or no folder, for temporary files."""


class OutputLost(AxsyncError):
    """What a command came to cannot be written to standard output; no `reason` where its reader has gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"standard output cannot be written ({reason or 'its reader has gone'})")
        self.reason = reason


class GuardRefused(AxsyncError):
    """A guard refused to publish; the previous snapshot is unchanged."""


class DropByLimit(GuardRefused):
    """A type fell by more than half, in a run that was limited."""


class DropByQuery(GuardRefused):
    """A type fell by more than half: all of its rows were there, and now there are those of a query."""


class KeepsBetter(GuardRefused):
    """What was read of a type is less than what its logical date has, which stays."""


class NotWhole(GuardRefused):
    """All-or-nothing was requested, and an entity type is incomplete."""


class ShardUnfinished(AxsyncError):
    """A shard of the run has not come to its end, and the rest is not to be published without it."""


class ShardFailed(AxsyncError):
    """A shard of the run came to its end without this entity type."""


class WorkerFailed(AxsyncError):
    """A worker of the cluster could not read its shard, for a reason that lies with it: its settings, its disk."""


class ClusterLost(AxsyncError):
    """The scheduler of the cluster does not answer, or has no worker."""


class Busy(AxsyncError):
    """Another run holds the lake or the host. Attribute: `holder`, who that is."""

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder

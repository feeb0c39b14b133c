"""What can go wrong, as facts.

AxsyncError
├── UsageError               the caller asked for something that cannot be (exit 2)
│   ├── ConfigError          a setting is missing, unknown or out of range
│   │   ├── NoInstance       nothing says which instance to ask
│   │   └── NoFile           there is no settings file of this name
│   ├── StoreError           the credential store cannot be used or written
│   │   ├── StoreExposed     others can read or change it
│   │   ├── StoreLocked      what should open it is missing or wrong
│   │   │   ├── WrongPassphrase      that a person typed
│   │   │   ├── WrongPassphraseFile
│   │   │   └── WrongKeyFile
│   │   └── StoreDamaged     it is not what axsync wrote
│   │       ├── ListDamaged  the list of names
│   │       ├── EntryMissing         a secret is not where the list says
│   │       └── EntryChanged         the list says another host than was sealed with the secret
│   ├── UnknownCredential    no store knows a credential of this name
│   ├── WrongHost            a credential belongs to another host than the one to be asked
│   ├── UnknownEntity        an entity type that the instance does not offer
│   ├── LakeError            the lake cannot be written
│   │   └── NewestDamaged    what its newest snapshot is cannot be read; a ManifestError, too
│   ├── NoLake               there is no lake to read from
│   ├── UnknownRun           no run, or more than one, has this id
│   │   └── Unpublished      it has no snapshot
│   ├── ManifestError        a manifest is damaged, or newer than this axsync
│   │   ├── ManifestNewer    of a later version
│   │   └── Unsure           what is still needed cannot be told, for one that cannot be read
│   ├── SnapshotGone         files of a snapshot are no longer there
│   └── NothingCommon        two snapshots that have no entity type in common
├── ServerError              the other side; carries `host` and, where one was received, `status`
│   ├── Refused              401: the credential is not accepted; stops the instance (exit 4)
│   │   └── ProxyRefused     407: the proxy does not accept its user and password (exit 4)
│   ├── NotOffered           403 or 404 on a type's first page; the type is skipped with a notice
│   ├── BadRequest           400 or 422: the server names what it does not understand
│   ├── Unreachable          no usable answer after all tries (exit 75 when nothing else was reached)
│   │   ├── Untrusted        no safe connection: a certificate that proves nothing, or one that is missing (exit 1)
│   │   ├── WebPage          a web page in place of JSON: a login, or a product that is being upgraded (exit 75)
│   │   └── TooHeavy         5xx or timeouts for a page that could be asked for in smaller ones
│   └── BadAnswer            an answer that is not what the contract says, tries used up
├── LaneError                a guard stopped a walk: loop, endless listing
│   └── OutOfTime            the time that was given to the run is over
├── StorageError             the disk or store failed while the lake was written (exit 1)
├── GuardRefused             a guard refused to publish (exit 5)
│   └── NotWhole             all or nothing was asked for, and something is missing
└── Busy                     another run holds the lake or the host (exit 75)

Errors carry facts as attributes and one plain sentence; advice is the console's business.
"""


class Terminated(BaseException):
    """SIGTERM while nothing is under way that has an end of its own for it; no `except Exception` may swallow it."""


class AxsyncError(Exception):
    """Root of everything axsync raises on purpose."""


class UsageError(AxsyncError):
    """The caller asked for something that cannot be; nothing was written or sent."""


class ConfigError(UsageError):
    """A setting is missing, unknown or out of range."""


class NoInstance(ConfigError):
    """Neither a settings file nor variables say which instance to ask."""


class NoFile(ConfigError):
    """There is no settings file of this name."""


class StoreError(UsageError):
    """The credential store cannot be used or written."""


class StoreExposed(StoreError):
    """Others can read or change the credential store, or a link leads to it."""


class StoreLocked(StoreError):
    """The passphrase or key file of the credential store is missing or wrong."""


class WrongPassphrase(StoreLocked):
    """The passphrase that a person typed does not open the credential store."""


class WrongPassphraseFile(StoreLocked):
    """The passphrase in a file does not open the credential store."""


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
    """The list says something else of a credential than was sealed with its secret. Attribute: `name`."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class UnknownCredential(UsageError):
    """No store knows a credential of this name. Attribute: `name`."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class WrongHost(UsageError):
    """A credential belongs to another host than the one to be asked. Attributes: `name`, `bound`, `asked` (URLs)."""

    def __init__(self, *, name: str, bound: str, asked: str) -> None:
        super().__init__(f"credential {name!r} belongs to {bound}, and is not sent to {asked}")
        self.name, self.bound, self.asked = name, bound, asked


class UnknownEntity(UsageError):
    """An entity type that the instance does not offer.

    Attributes: `entity`, `instance`, `nearest` (a similar offered name, or None).
    """

    def __init__(self, entity: str, *, instance: str, nearest: str | None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"instance {instance!r} offers no entity type {entity!r}{hint}")
        self.entity, self.instance, self.nearest = entity, instance, nearest


class LakeError(UsageError):
    """The lake is not a place that can be written."""


class NoLake(UsageError):
    """The place holds no lake that can be read."""


class UnknownRun(UsageError):
    """No run of the lake is meant by this id, or more than one. Attribute: `asked`, the id as it was given."""

    def __init__(self, message: str, *, asked: str) -> None:
        super().__init__(message)
        self.asked = asked


class Unpublished(UnknownRun):
    """A run that is meant has no snapshot: it was interrupted, or nothing came of it. `asked` is its whole id."""


class ManifestError(UsageError):
    """A manifest, a journal, or the pointer to the latest one is damaged, unreadable, or newer than this axsync.

    Attribute: `file`, relative to the lake; the sentence ends with it.
    """

    def __init__(self, message: str, *, file: str = "") -> None:
        super().__init__(f"{message}: {file}" if file else message)
        self.file = file


class ManifestNewer(ManifestError):
    """A manifest of a later version than this axsync reads."""


class NewestDamaged(LakeError, ManifestError):
    """The pointer to the newest snapshot, or the manifest that it names, cannot be read; `file` says which."""


PointerDamaged = NewestDamaged
"""An older name of it."""


class Unsure(ManifestError):
    """Nothing is removed, since what is still needed cannot be told while a manifest or journal cannot be read."""


class SnapshotGone(UsageError):
    """Files that a manifest names are no longer in the lake, or are no Parquet."""


class NothingCommon(UsageError):
    """Two snapshots have no entity type in common that could be compared."""


class ServerError(AxsyncError):
    """The server, or the way to it, did not do its part.

    Attributes: `host`, `status` (None where no answer came), `detail` (the server's words, redacted and cut).
    """

    def __init__(self, message: str, *, host: str, status: int | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.host, self.status, self.detail = host, status, detail


class Refused(ServerError):
    """401: the host does not accept the credential."""


class ProxyRefused(Refused):
    """407: the proxy does not accept its user and password, or was shown none."""


class NotOffered(ServerError):
    """403 or 404 on the first page of a type."""


class BadRequest(ServerError):
    """400 or 422: the request is not understood; `detail` names why."""


class Unreachable(ServerError):
    """No usable answer after all tries: refused connections, timeouts, 429 or 5xx to the end."""


class Untrusted(Unreachable):
    """There is no safe connection; `detail` says why the certificate, ours or theirs, is not taken.

    Attribute: `fault`, one of expired, early, name, issuer (of theirs), missing, unwanted (of ours), or empty.
    """

    def __init__(self, message: str, *, host: str, detail: str = "", fault: str = "") -> None:
        super().__init__(message, host=host, detail=detail)
        self.fault = fault


class TooHeavy(Unreachable):
    """5xx or timeouts, more than once, for a page that could be asked for in smaller ones."""


class WebPage(Unreachable):
    """A web page with status 200 in place of JSON, as for a login or during maintenance; `detail` has its title."""


class BadAnswer(ServerError):
    """A 200 whose body is not what the contract says."""


class LaneError(AxsyncError):
    """A guard stopped a walk that would never have ended or told lies."""


class OutOfTime(LaneError):
    """The time that was given to the run is over; the lane is resumable."""


class StorageError(AxsyncError):
    """The disk or store failed while the lake was written; the previous snapshot stays."""


class GuardRefused(AxsyncError):
    """A guard refused to publish; the previous snapshot stays."""


class NotWhole(GuardRefused):
    """All or nothing was asked for, and an entity type did not come whole."""


class Busy(AxsyncError):
    """Another run holds the lake or the host. Attribute: `holder`, who that is."""

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder

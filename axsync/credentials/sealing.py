"""The format of an encrypted store: a readable header, a sealed box, a checksum. Pure, apart from randomness.

    axsync credential vault
    {"version": 1, "kdf": "scrypt", "n": …, "r": …, "p": …, "salt": …, "nonce": …}
    <box: AES-256-GCM over the content; the two lines above are its associated data>
    <SHA-256 of all of that, 32 bytes>

The checksum is no protection; it tells a damaged file from a wrong passphrase. The box only opens for exactly the bytes
that were written.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from axsync.credentials.values import MASK, Secret
from axsync.errors import StoreDamaged, StoreError, StoreLocked, WrongKeyFile, WrongPassphrase, WrongPassphraseFile

MAGIC = b"axsync credential vault\n"
VERSION = 1
CHECKSUM_BYTES = 32
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
Kdf = Literal["scrypt", "hkdf-sha256"]


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one guess at a passphrase: 128 * n * r bytes of memory, and p times the work (RFC 7914)."""

    n: int = 1 << 17
    r: int = 8
    p: int = 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeySource:
    """What opens a store: a passphrase (scrypt), typed or from a file, or a key file (hkdf-sha256)."""

    kdf: Kdf
    secret: Secret
    typed: bool = False

    def __repr__(self) -> str:
        return f"KeySource({self.kdf}, {MASK})"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The readable line. The bounds keep a malicious file from using all memory."""

    version: int
    kdf: Kdf
    salt: str
    nonce: str
    n: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = 2
    r: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    p: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1


def seal(content: bytes, opener: KeySource, cost: Cost) -> bytes:
    """The content of the file, with a fresh salt and nonce."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  slow to import

    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    header = Header(VERSION, opener.kdf, salt.hex(), nonce.hex(), cost.n, cost.r, cost.p)
    told = MAGIC + msgspec.json.encode(header) + b"\n"
    whole = told + AESGCM(_key(opener, header)).encrypt(nonce, content, told)
    return whole + hashlib.sha256(whole).digest()


def header_of(blob: bytes) -> Header:
    """The header of a file. Raises: StoreError if damaged, or written by a newer axsync."""
    told, _ = _split(blob)
    try:
        version = msgspec.json.decode(told[len(MAGIC) :], type=dict[str, object]).get("version")
        if isinstance(version, int) and version > VERSION:
            raise StoreError(f"it was written by a newer axsync (version {version})")
        header = msgspec.json.decode(told[len(MAGIC) :], type=Header)
        lengths = (len(bytes.fromhex(header.salt)), len(bytes.fromhex(header.nonce)))
        if lengths != (SALT_BYTES, NONCE_BYTES) or header.n & (header.n - 1):
            raise StoreDamaged("it is damaged")
    except ValueError as error:  # msgspec's own are ValueErrors
        raise StoreDamaged("it is damaged") from error
    return header


def unseal(blob: bytes, opener: KeySource) -> bytes:
    """Decrypt a file. Raises: StoreError if damaged, written by a newer axsync, or locked with something else."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  as above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    header = header_of(blob)
    told, box = _split(blob)
    try:
        return AESGCM(_key(opener, header)).decrypt(bytes.fromhex(header.nonce), box, told)
    except InvalidTag:
        raise _wrong(opener) from None


def _wrong(opener: KeySource) -> StoreLocked:
    if opener.kdf == "hkdf-sha256":
        return WrongKeyFile("the key file does not open it")
    return (WrongPassphrase if opener.typed else WrongPassphraseFile)("the passphrase does not open it")


def _split(blob: bytes) -> tuple[bytes, bytes]:
    whole, checksum = blob[:-CHECKSUM_BYTES], blob[-CHECKSUM_BYTES:]
    end = whole.find(b"\n", len(MAGIC)) + 1
    if not whole.startswith(MAGIC) or not end or hashlib.sha256(whole).digest() != checksum:
        raise StoreDamaged("it is damaged")
    return whole[:end], whole[end:]


def _key(opener: KeySource, header: Header) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  as above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415

    salt, material = bytes.fromhex(header.salt), opener.secret.reveal().encode()
    if opener.kdf == "scrypt":
        return Scrypt(salt=salt, length=KEY_BYTES, n=header.n, r=header.r, p=header.p).derive(material)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=MAGIC).derive(material)

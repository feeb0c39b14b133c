"""The cipher of the encrypted file: AES-256-GCM under a key that scrypt or HKDF derives.

Imported when a file is opened or written: `cryptography` takes 25 ms, and most credentials are elsewhere.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_KEY_BYTES = 32


def key_of_passphrase(passphrase: bytes, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    """As expensive as scrypt's parameters say, since a passphrase can be guessed."""
    return Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=r, p=p).derive(passphrase)


def key_of_file(content: bytes, salt: bytes, purpose: bytes) -> bytes:
    """Cheap: a key file cannot be guessed."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=purpose).derive(content)


def encrypt(key: bytes, nonce: bytes, content: bytes, header: bytes) -> bytes:
    """The content in a box that opens only beside this header."""
    return AESGCM(key).encrypt(nonce, content, header)


def decrypt(key: bytes, nonce: bytes, box: bytes, header: bytes) -> bytes | None:
    """The content; None if the key is another, or box or header were changed."""
    try:
        return AESGCM(key).decrypt(nonce, box, header)
    except InvalidTag:
        return None

"""The encrypted file: what goes in comes out, and nothing else opens."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.credentials.credential import Secret
from axsync.credentials.encrypted_file import MAGIC, Cost, KeySource, header_of, seal, unseal
from axsync.errors import StoreError

CHEAP = Cost(n=2)
PASSPHRASE = KeySource("scrypt", Secret("correct horse"))
KEY_FILE = KeySource("hkdf-sha256", Secret("ab" * 32))

openers = st.sampled_from([PASSPHRASE, KEY_FILE])


@given(st.binary(max_size=300), openers)
def test_what_is_sealed_comes_out(content: bytes, opener: KeySource) -> None:
    """With a passphrase as with a key file; the content is not to be seen in the file."""
    content = b"5ecr3t" + content
    blob = seal(content, opener, CHEAP)

    assert unseal(blob, opener) == content
    assert b"5ecr3t" not in blob
    assert opener.secret.reveal().encode() not in blob


@given(st.data(), openers)
def test_any_flipped_bit_is_refused(data: st.DataObject, opener: KeySource) -> None:
    """In the header, the box or the checksum: a damaged file is told from a wrong passphrase."""
    blob = bytearray(seal(b'{"prod": "5ecr3t"}', opener, CHEAP))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(StoreError, match=r"^it is damaged$"):
        unseal(bytes(blob), opener)


@given(st.data(), openers)
def test_a_flipped_bit_under_a_right_checksum_is_refused(data: st.DataObject, opener: KeySource) -> None:
    """Somebody who can write the file can write its checksum too; the box still opens for its own bytes only."""
    whole = bytearray(seal(b'{"prod": "5ecr3t"}', opener, CHEAP)[:-32])
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(StoreError):
        unseal(bytes(whole) + hashlib.sha256(whole).digest(), opener)


@given(st.data())
def test_a_cut_file_is_refused(data: st.DataObject) -> None:
    """Wherever it ends."""
    blob = seal(b"content", PASSPHRASE, CHEAP)

    with pytest.raises(StoreError, match=r"^it is damaged$"):
        unseal(blob[: data.draw(st.integers(0, len(blob) - 1))], PASSPHRASE)


@pytest.mark.parametrize(
    ("opener", "other", "sentence"),
    [
        (PASSPHRASE, KeySource("scrypt", Secret("wrong horse")), "the passphrase does not open it"),
        (KEY_FILE, KeySource("hkdf-sha256", Secret("cd" * 32)), "the key file does not open it"),
    ],
)
def test_the_wrong_opener_is_told_from_damage(opener: KeySource, other: KeySource, sentence: str) -> None:
    """The sentence says what did not fit."""
    with pytest.raises(StoreError, match=f"^{sentence}$"):
        unseal(seal(b"content", opener, CHEAP), other)


def test_two_files_of_the_same_content_differ() -> None:
    """Each has a salt and a nonce of its own."""
    first, second = (header_of(seal(b"content", KEY_FILE, CHEAP)) for _ in range(2))

    assert first.salt != second.salt
    assert first.nonce != second.nonce


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 2}, r"^it was written by a newer axsync \(version 2\)$"),
        ({"n": 1 << 30}, "^it is damaged$"),
        ({"n": 12345}, "^it is damaged$"),
        ({"r": 1 << 20}, "^it is damaged$"),
        ({"salt": "zz"}, "^it is damaged$"),
        ({"nonce": ""}, "^it is damaged$"),
        ({"kdf": "none"}, "^it is damaged$"),
        ({"more": 1}, "^it is damaged$"),
    ],
)
def test_a_planted_header_is_refused_before_any_work(change: dict[str, object], sentence: str) -> None:
    """Its numbers could otherwise ask for all the memory there is."""
    header = {"version": 1, "kdf": "scrypt", "salt": "00" * 16, "nonce": "00" * 12, "n": 2, "r": 8, "p": 1} | change
    whole = MAGIC + msgspec.json.encode(header) + b"\nbox"

    with pytest.raises(StoreError, match=sentence):
        unseal(whole + hashlib.sha256(whole).digest(), PASSPHRASE)


def test_the_usual_cost_is_that_of_a_guessed_passphrase() -> None:
    """128 MiB and some tenths of a second for each guess, as OWASP asks for scrypt."""
    assert (Cost().n, Cost().r, Cost().p) == (2**17, 8, 1)
    assert header_of(seal(b"", PASSPHRASE, Cost())).n == 2**17


def test_an_opener_does_not_show_itself() -> None:
    """Not even in a traceback with locals."""
    assert "correct" not in repr(PASSPHRASE)

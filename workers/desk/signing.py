"""Ed25519 keys of offices: made, read from PEM files, and known by an id."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

SUFFIXES: Final = (".pub", ".pem")
"""How the files of a folder of public keys end."""


class KeyUnfit(Exception):
    """A key that cannot be used; the text says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Office:
    """An office whose statements are trusted: its name and its public key."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> str:
        """The id of its key."""
        return key_id(self.key)

    def signed(self, text: bytes, signature: bytes) -> bool:
        """Whether the office signed exactly this text."""
        with suppress(InvalidSignature):
            self.key.verify(signature, text)
            return True
        return False


class SigningKey:
    """This office's private key. It is never shown."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def key_id(self) -> str:
        """The id of its public key."""
        return key_id(self._key.public_key())

    def sign(self, text: bytes) -> bytes:
        """The signature of a text, 64 bytes."""
        return self._key.sign(text)


def key_id(key: Ed25519PublicKey) -> str:
    """`ed25519:` and the SHA-256 of the key's 32 bytes, in hex."""
    return f"ed25519:{sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()}"


def new_key() -> tuple[bytes, bytes, str]:
    """A new private key and its public key, both as PEM, and their id."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        key_id(public),
    )


def signing_key(path: Path) -> SigningKey:
    """The private key of a PEM file. Raises `KeyUnfit`."""
    mend = "make one with `yidan statement-key new FILE`"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyUnfit(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnfit(f"{path}: holds no unencrypted private key in PEM; {mend}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnfit(f"{path}: its key is not of Ed25519; {mend}")
    return SigningKey(key)


def offices(folder: Path) -> dict[str, Office]:
    """The offices of a folder, by the id of their keys. Raises `KeyUnfit` where a file is no public key of its own."""
    found: dict[str, Office] = {}
    try:
        for office in _offices(folder):
            other = found.setdefault(office.key_id, office)
            if other is not office:
                raise KeyUnfit(f"{folder}: {other.name} and {office.name} have the same key: remove one of the files")
    except OSError as error:
        raise KeyUnfit(f"{folder}: cannot be read: {error.strerror}") from error
    return found


def _offices(folder: Path) -> Iterator[Office]:
    for path in sorted(folder.iterdir()):
        if path.suffix not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        try:
            key = load_pem_public_key(path.read_bytes())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnfit(f"{path}: holds no public key in PEM; put the office's FILE.pub here") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyUnfit(f"{path}: its key is not of Ed25519")
        yield Office(path.stem, key)

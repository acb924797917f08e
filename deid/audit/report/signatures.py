"""Ed25519 signatures of reports, through the optional package `cryptography`."""

import base64
import binascii
from pathlib import Path
from typing import Any

from deid.errors import UsageError, how_to_install


def sign(message: bytes, key_file: Path) -> tuple[bytes, bytes]:
    """Signature and raw public key. key_file: a PEM private key (`openssl genpkey -algorithm ed25519`).

    Raises UsageError for a file that is none, or without the package.
    """
    serialization, ed25519, _ = _cryptography()
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{key_file} is not an unencrypted PEM private key: {error}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError(f"{key_file} is not an Ed25519 key (openssl genpkey -algorithm ed25519 makes one)")
    return key.sign(message), key.public_key().public_bytes_raw()


def problem_of(signature: Any, message: bytes) -> str:
    """Why a report's signature does not hold, or an empty text. Whose key it is, the reader must know."""
    _, ed25519, invalid_signature = _cryptography()
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"], validate=True))
        public.verify(base64.b64decode(signature["value"], validate=True), message)
    except invalid_signature:
        return "it does not belong to this report"
    except (KeyError, TypeError, ValueError, binascii.Error):
        return "it cannot be read"
    return ""


def _cryptography() -> tuple[Any, Any, Any]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UsageError(f"signatures need the package cryptography: {how_to_install('sign')}") from None
    return serialization, ed25519, InvalidSignature

"""RSA signatures of clients: PKCS #1 v1.5 with SHA-256, by keys in the form of PKCS #1."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gadus.core.errors import InvalidSpec

_SMALLEST_BITS = 2048
_EXPONENT = 65537
"""A key is known by its modulus alone: with an exponent of their choice somebody else might sign for it."""
_MOST_BYTES = 1 << 11
"""A longer key is none that a client makes, and takes long to compute with."""


def is_right(key: bytes, signature: bytes, phrase: bytes) -> bool:
    """Whether the holder of `key` signed `phrase`. Raises InvalidSpec for what is no key."""
    try:
        _public(key).verify(signature, phrase, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def key_id(key: bytes) -> str:
    """How Bacalhau names a key: by the SHA-256 of its modulus. Raises InvalidSpec for what is no key."""
    modulus = _public(key).public_numbers().n
    return hashlib.sha256(modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")).hexdigest()


def _public(key: bytes) -> RSAPublicKey:
    try:
        public = load_der_public_key(key) if len(key) <= _MOST_BYTES else None
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, RSAPublicKey):
        raise InvalidSpec(["MethodData.PublicKey: must be an RSA key, as DER of PKCS #1"])
    if public.key_size < _SMALLEST_BITS or public.public_numbers().e != _EXPONENT:
        raise InvalidSpec([f"MethodData.PublicKey: must have {_SMALLEST_BITS} bits or more and the exponent {_EXPONENT}"])
    return public

"""The certificate that a server shows: a given one, or one of its own making."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gadus.core.errors import InvalidSpec, StorageUnavailable
from gadus.durable import write_durably

VALID_DAYS = 365
RENEWED_DAYS_BEFORE = 30
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files, in PEM: the chain and its private key."""

    chain: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the server's own certificate, as browsers and openssl show it."""
        return _of(self.chain).fingerprint(hashes.SHA256()).hex(":").upper()

    def context(self) -> ssl.SSLContext:
        """What a server shows and accepts: TLS 1.2 and later. Raises InvalidSpec for files that are no certificate and key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Show what is in the files now to the next clients. Raises InvalidSpec."""
        try:
            # Never ask for a pass phrase on the terminal: a server may have one.
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except (OSError, ValueError) as exc:
            why = getattr(exc, "reason", "") or getattr(exc, "strerror", "") or str(exc)
            raise InvalidSpec(
                [f"{self.chain} and {self.key} cannot be used as certificate and key: {why}"],
                hint="give PEM files that belong together and need no pass phrase, or use --self-signed",
            ) from exc


def given(chain: str, key: str) -> Certificate:
    """The certificate that somebody else keeps in these files."""
    return Certificate(Path(chain), Path(key))


def self_signed(chain: Path, names: Collection[str], *, now: dt.datetime | None = None) -> Certificate:
    """
    The certificate in the file `chain`, for these names and addresses; made anew when it ends soon, or lacks one of them.

    Its key is beside it. Raises StorageUnavailable when it cannot be written.
    """
    now = now or dt.datetime.now(dt.UTC)
    kept = Certificate(chain, chain.with_suffix(".key"))
    if not _serves(kept, names, now):
        try:
            _make(kept, names, now)
        except OSError as exc:
            what = f"no certificate can be kept in {chain.parent}: {exc.strerror or exc}"
            raise StorageUnavailable(what, hint="check that the disk is writable and has space") from exc
    return kept


def _serves(kept: Certificate, names: Collection[str], now: dt.datetime) -> bool:
    try:
        if kept.key.stat().st_mode & 0o077:
            return False
        found = _of(kept.chain)
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        kept.context()
    except (OSError, ValueError, InvalidSpec, x509.ExtensionNotFound):
        return False
    covered = {str(one.value) for one in alternatives}
    return set(names) <= covered and now + dt.timedelta(days=RENEWED_DAYS_BEFORE) < found.not_valid_after_utc


def _make(kept: Certificate, names: Collection[str], now: dt.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gadus")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_alternative(one) for one in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    kept.chain.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The key first: with the old certificate it does not fit, which the next start sees.
    write_durably(kept.key, key.private_bytes(*form))
    write_durably(kept.chain, certificate.public_bytes(serialization.Encoding.PEM))


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _of(chain: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain.read_bytes())

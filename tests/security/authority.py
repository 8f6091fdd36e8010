"""A certificate authority for a test: servers and clients that it vouches for, and some that nobody should believe."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, each a file in PEM; `both` is one file for servers that want one."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates; its own is the file `certificate`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = folder / f"{name}.pem"
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = (
            self._begun(self._name, self._key.public_key(), ended=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, hosts: tuple[str, ...] = (), expired: bool = False, key_password: str = "") -> Issued:
        """A certificate for a principal, or for a server that is reached under these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        told = self._begun(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), ended=expired
        ).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        if hosts:
            told = told.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        signed = told.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        closed = (
            serialization.BestAvailableEncryption(key_password.encode())
            if key_password
            else serialization.NoEncryption()
        )
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed)
        issued = Issued(*(self._folder / f"{name}.{ending}" for ending in ("crt", "key", "pem")))
        issued.certificate.write_bytes(signed)
        issued.key.write_bytes(secret)
        issued.both.write_bytes(secret + signed)
        return issued

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ended: bool) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now - DAY if ended else now + DAY)
        )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)

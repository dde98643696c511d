"""Certificates made for a test, valid for a month: one as C2PA requires it, one of a TLS server."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate (with its chain) and its key, and return the files."""
    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = (_certificate("signer", own, above, top=False), _certificate("top", above, above))
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


def make_server_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Write the certificate of a TLS server at 127.0.0.1; return its file, its key's, its CA's."""
    top, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    server = _certificate("server", own, top, top=False, extra=(address,))
    certificate, key, authority = (folder / name for name in ("server.pem", "key.pem", "ca.pem"))
    certificate.write_bytes(server.public_bytes(Encoding.PEM))
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    authority.write_bytes(_certificate("top", top, top).public_bytes(Encoding.PEM))
    return certificate, key, authority


def _name(common: str) -> x509.Name:
    named = [(NameOID.ORGANIZATION_NAME, "Tests of BARET"), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in named])


def _certificate(
    name: str,
    key: Key,
    issuer: Key,
    *,
    top: bool = True,
    extra: tuple[x509.ExtensionType, ...] = (),
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(not top, False, False, False, False, top, top, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("top"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=top, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not top and not extra:
        extra = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]),)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer, hashes.SHA256())

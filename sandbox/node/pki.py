"""The cluster's certificates: one authority, and one key pair per identity."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.node import files
from sandbox.settings import Settings

LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=7)

_PEM = serialization.Encoding.PEM


def ensure(folder: Path, settings: Settings) -> None:
    """Write all files to `folder`, unless they are complete and the authority has time left.

    Keys are readable by their owner only. The files survive a restart, so that a kubeconfig stays
    valid until `make sandbox-down`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    identities = _identities(settings)
    if _usable(folder, identities, settings):
        return
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("rayline-sandbox-ca", (), (), authority_key, authority_key, None)
    _write(folder / "ca.crt", authority.public_bytes(_PEM))
    for name, (user, organizations, names) in identities.items():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(user, organizations, names, key, authority_key, authority)
        _write(folder / f"{name}.key", _private(key))
        _write(folder / f"{name}.crt", certificate.public_bytes(_PEM))
    tokens = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write(folder / "service-account.key", _private(tokens))
    _write(
        folder / "service-account.pub",
        tokens.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    _write(folder / "addresses", _addresses(settings).encode())


_Identity = tuple[str, tuple[str, ...], tuple[str, ...]]


def _identities(settings: Settings) -> dict[str, _Identity]:
    """File name to (user, groups, names for which the certificate is valid as a server's)."""
    node = str(settings.node_address)
    api_names = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        node,
        str(settings.api_service_address),
    )
    return {
        "apiserver": ("kube-apiserver", (), api_names),
        "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", ("system:masters",), ()),
        **{
            name: (user.name, user.groups, (node,) if name == "kubelet" else ())
            for name, user in files.USERS.items()
        },
    }


def _addresses(settings: Settings) -> str:
    return f"{settings.node_address} {settings.api_service_address}\n"


def _usable(folder: Path, identities: dict[str, _Identity], settings: Settings) -> bool:
    names = [f"{name}.{kind}" for name in identities for kind in ("key", "crt")]
    names += ["ca.crt", "service-account.key", "service-account.pub", "addresses"]
    if not all((folder / name).is_file() for name in names):
        return False
    if (folder / "addresses").read_text() != _addresses(settings):
        return False
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    return authority.not_valid_after_utc > dt.datetime.now(dt.UTC) + RENEW_BEFORE


def _certificate(
    user: str,
    organizations: tuple[str, ...],
    names: tuple[str, ...],
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    """Sign one certificate; without an `issuer` it becomes a self-signed authority."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)

"""Certificates: their issuer, names and renewal, and who may read the keys."""

import datetime as dt
import ipaddress
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from sandbox.node import pki
from sandbox.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("a folder with spaces") / "pki"
    pki.ensure(made, Settings())
    return made


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def test_every_certificate_is_signed_by_the_authority_and_fits_its_key(folder: Path) -> None:
    authority = certificate(folder, "ca")
    names = sorted(path.stem for path in folder.glob("*.crt") if path.stem != "ca")
    assert len(names) == 7
    for name in names:
        signed = certificate(folder, name)
        signed.verify_directly_issued_by(authority)
        key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
        assert key.public_key() == signed.public_key()


def test_the_api_servers_certificate_covers_every_name_it_is_called_by(folder: Path) -> None:
    extension = certificate(folder, "apiserver").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    assert ipaddress.ip_address("10.213.0.2") in addresses
    assert ipaddress.ip_address("10.213.128.1") in addresses
    assert "kubernetes.default.svc" in extension.value.get_values_for_type(x509.DNSName)


def test_identities_are_those_of_the_built_in_roles(folder: Path) -> None:
    kubelet = certificate(folder, "kubelet").subject
    assert kubelet.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    assert str(kubelet.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value).startswith(
        "system:node:"
    )


def test_keys_are_for_their_owner_only(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.glob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_call_changes_nothing_but_a_missing_file_renews_everything(tmp_path: Path) -> None:
    pki.ensure(tmp_path, Settings())
    before = (tmp_path / "ca.crt").read_bytes()
    pki.ensure(tmp_path, Settings())
    assert (tmp_path / "ca.crt").read_bytes() == before
    (tmp_path / "scheduler.key").unlink()
    pki.ensure(tmp_path, Settings())
    assert (tmp_path / "ca.crt").read_bytes() != before


def test_another_network_needs_other_certificates(tmp_path: Path) -> None:
    pki.ensure(tmp_path, Settings())
    before = (tmp_path / "ca.crt").read_bytes()
    pki.ensure(tmp_path, Settings(network=IPv4Network("172.20.0.0/16")))
    assert (tmp_path / "ca.crt").read_bytes() != before


def test_an_authority_near_its_expiry_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "LIFETIME", dt.timedelta(days=6))
    pki.ensure(tmp_path, Settings())
    before = (tmp_path / "ca.crt").read_bytes()
    monkeypatch.undo()
    pki.ensure(tmp_path, Settings())
    assert (tmp_path / "ca.crt").read_bytes() != before

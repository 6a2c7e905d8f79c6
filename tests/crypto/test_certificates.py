"""The private CA and the server certificate, seen by the clients that will judge them."""

import asyncio
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from holdfast.crypto.certificates import RENEW_BEFORE, ServerCertificate, ensure_server_certificate, names_in
from holdfast.crypto.issuing import SERVER_LIFETIME
from holdfast.errors import ConfigurationError, StartupError

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = ("vault.example.com", "10.0.0.7")


def ensure(folder: Path, *hosts: str, now: datetime = NOW) -> ServerCertificate:
    return ensure_server_certificate(folder / "tls", hosts, now=now)


def strict_client(ca_file: Path) -> ssl.SSLContext:
    """A client as Python 3.13 makes it by default."""
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@asynccontextmanager
async def tls_server(certificate: ServerCertificate) -> AsyncIterator[int]:
    """The port of a TLS server that greets whoever connects."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain_file)
    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def greeting(port: int, client: ssl.SSLContext, host: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
    try:
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", *HOSTS])
async def test_strict_clients_accept_every_name(tmp_path: Path, host: str) -> None:
    certificate = ensure(tmp_path, *HOSTS)
    async with tls_server(certificate) as port:
        assert await greeting(port, strict_client(certificate.ca_file), host) == b"hello\n"


async def test_another_name_and_another_ca_are_refused(tmp_path: Path) -> None:
    certificate = ensure(tmp_path, *HOSTS)
    other = ensure(tmp_path / "other", *HOSTS)
    async with tls_server(certificate) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await greeting(port, strict_client(certificate.ca_file), "example.com")
        with pytest.raises(ssl.SSLCertVerificationError):
            await greeting(port, strict_client(other.ca_file), "localhost")


@pytest.mark.parametrize(
    "host", [x509.DNSName("localhost"), x509.DNSName(HOSTS[0]), x509.IPAddress(IPv4Address(HOSTS[1]))]
)
def test_the_rules_of_the_web_are_kept(tmp_path: Path, host: x509.DNSName | x509.IPAddress) -> None:
    certificate = ensure(tmp_path, *HOSTS)
    policy = PolicyBuilder().store(Store([read(certificate.ca_file)])).time(NOW)
    chain = policy.build_server_verifier(host).verify(read(certificate.chain_file), [])
    assert len(chain) == 2


def test_its_names_are_read_from_it(tmp_path: Path) -> None:
    made = ensure_server_certificate(tmp_path, ["V.kv.Example", "10.0.0.7"], now=datetime.now(UTC))
    assert names_in(made.chain_file) == {"localhost", "127.0.0.1", "::1", "v.kv.example", "10.0.0.7"}
    assert names_in(made.ca_file) == names_in(tmp_path / "none.pem") == frozenset()


def test_it_is_no_certificate_for_clients(tmp_path: Path) -> None:
    certificate = ensure(tmp_path, *HOSTS)
    policy = PolicyBuilder().store(Store([read(certificate.ca_file)])).time(NOW)
    with pytest.raises(VerificationError):
        policy.build_client_verifier().verify(read(certificate.chain_file), [])


def test_the_extensions_say_what_each_certificate_is_for(tmp_path: Path) -> None:
    certificate = ensure(tmp_path, *HOSTS)
    ca, server = read(certificate.ca_file).extensions, read(certificate.chain_file).extensions
    limits = ca.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    assert ca.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert not server.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not server.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert server.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == (
        ca.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    )


def test_private_keys_are_for_their_owner_only_and_the_ca_holds_none(tmp_path: Path) -> None:
    certificate = ensure(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert modes == {"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert b"PRIVATE" not in certificate.ca_file.read_bytes()


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = ensure(tmp_path, *HOSTS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
    second = ensure(tmp_path, *reversed(HOSTS), now=NOW + timedelta(days=300))
    assert {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()} == before
    assert (first.renewed, second.renewed) == (True, False)
    assert second.expires_at == NOW + SERVER_LIFETIME


@pytest.mark.parametrize(
    ("hosts", "days"), [(HOSTS, 336), (HOSTS, 500), (("vault.example.com",), 1), ((*HOSTS, "more.example"), 1)]
)
def test_it_is_renewed_before_it_expires_and_when_the_hosts_change(
    tmp_path: Path, hosts: tuple[str, ...], days: int
) -> None:
    ca_file = ensure(tmp_path, *HOSTS).ca_file
    ca = ca_file.read_bytes()
    renewed = ensure(tmp_path, *hosts, now=NOW + timedelta(days=days))
    assert renewed.renewed
    assert renewed.expires_at == NOW + timedelta(days=days) + SERVER_LIFETIME
    assert ca_file.read_bytes() == ca


def test_no_certificate_outlives_its_ca(tmp_path: Path) -> None:
    ca = read(ensure(tmp_path).ca_file)
    late = ca.not_valid_after_utc - RENEW_BEFORE / 2
    assert ensure(tmp_path, now=late).expires_at == ca.not_valid_after_utc
    assert not ensure(tmp_path, now=late).renewed
    with pytest.raises(StartupError, match="has expired"):
        ensure(tmp_path, now=ca.not_valid_after_utc)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.with_name("ca-key.pem").read_bytes()),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_server_certificate_is_made_anew(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(ensure(tmp_path).chain_file)
    assert ensure(tmp_path).renewed
    assert not ensure(tmp_path).renewed


def test_a_lost_public_ca_file_is_restored(tmp_path: Path) -> None:
    ca_file = ensure(tmp_path).ca_file
    ca = ca_file.read_bytes()
    ca_file.write_bytes(b"junk")
    assert not ensure(tmp_path).renewed
    assert ca_file.read_bytes() == ca


def test_a_new_ca_brings_a_new_server_certificate(tmp_path: Path) -> None:
    first = ensure(tmp_path)
    (tmp_path / "tls" / "ca-key.pem").unlink()
    assert ensure(tmp_path).renewed
    read(first.chain_file).verify_directly_issued_by(read(first.ca_file))


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_damaged_ca_is_never_replaced_silently(tmp_path: Path, content: bytes) -> None:
    key_file = ensure(tmp_path).ca_file.with_name("ca-key.pem")
    key_file.write_bytes(content)
    with pytest.raises(StartupError, match=r"ca-key\.pem"):
        ensure(tmp_path)
    assert key_file.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_ca_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    key_file = ensure(tmp_path).ca_file.with_name("ca-key.pem")
    key_file.chmod(mode)
    with pytest.raises(StartupError, match="can be read by others"):
        ensure(tmp_path)


def test_all_unusable_hosts_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ensure(tmp_path, "ok.example", "", "a b", "-x.example", "x" * 64, "bücher.example", "https://vault", "*")
    assert len(refusal.value.faults) == 7
    assert not (tmp_path / "tls").exists()


def test_processes_that_start_at_once_share_one_ca(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, datetime\n"
        "from holdfast.crypto.certificates import ensure_server_certificate\n"
        "print(ensure_server_certificate(pathlib.Path(sys.argv[1]), (), now=datetime.datetime.now(datetime.UTC)))"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "tls")]
    processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE) for _ in range(3)]
    answers = [process.communicate()[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum("renewed=True" in answer for answer in answers) == 1
    read(tmp_path / "tls" / "server.pem").verify_directly_issued_by(read(tmp_path / "tls" / "ca.pem"))

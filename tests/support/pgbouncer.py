"""A PgBouncer of the tests' own, in front of one database."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwuid
from urllib.parse import parse_qs, unquote, urlsplit

from holdfast.crypto.certificates import ServerCertificate
from tests.support.debian import free_port, listens, program, running


@contextmanager
def running_pgbouncer(folder: Path, dsn: str, mode: str, certificate: ServerCertificate | None = None) -> Iterator[str]:
    """The DSN through it. Each transaction gets another session than the one before, as far as there are several.

    With a certificate it takes TLS only, and asks for the role's password.
    """
    url, port = urlsplit(dsn), free_port()
    (host,) = parse_qs(url.query)["host"]
    user, password = unquote(url.username or ""), unquote(url.password or "")
    name, server_port = url.path.removeprefix("/"), parse_qs(url.query)["port"][0]
    (folder / "users").write_text(f'"{user}" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host={host} port={server_port} user={user} password={password} dbname={name}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"{_door(folder, Path(host), certificate)}auth_file = {folder / 'users'}\npool_mode = {mode}\n"
        f"default_pool_size = 6\nserver_round_robin = 1\n"
    )
    command = [program("pgbouncer") or "", *_as_owner_of(Path(host)), str(folder / "pgbouncer.ini")]
    with running(command, folder / "pgbouncer.log", lambda: listens(port)):
        yield f"postgresql://{user}@127.0.0.1:{port}/{name}?sslmode=disable"


def _as_owner_of(socket_folder: Path) -> list[str]:
    """Root is refused by PgBouncer, and by the folder of the socket anybody else but its owner."""
    return ["--user", getpwuid(socket_folder.stat().st_uid).pw_name] if os.geteuid() == 0 else []


def _door(folder: Path, socket_folder: Path, certificate: ServerCertificate | None) -> str:
    """How clients are let in."""
    if certificate is None:
        return "auth_type = trust\n"
    chain = folder / "pgbouncer.pem"
    shutil.copyfile(certificate.chain_file, chain)
    chain.chmod(0o600)
    os.chown(chain, socket_folder.stat().st_uid, -1)
    return (
        "auth_type = scram-sha-256\nclient_tls_sslmode = require\n"
        f"client_tls_cert_file = {chain}\nclient_tls_key_file = {chain}\n"
    )

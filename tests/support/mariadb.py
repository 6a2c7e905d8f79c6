"""A MariaDB of the tests' own, on loopback, over TLS alone."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql

from tests.support.certificates import make_authority
from tests.support.debian import free_port, listens, program, running

ADMIN, PASSWORD = "holdfast-admin", "an administrator's"


@dataclass(frozen=True)
class MariaDb:
    """Where it listens. ``log``: every statement that it was sent."""

    port: int
    ca_file: Path
    log: Path

    def url(self, user: str = ADMIN, password: str = PASSWORD) -> str:
        """The URL of a user."""
        return (
            f"mysql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/"
            f"?ssl_ca={quote(str(self.ca_file), safe='')}"
        )

    def connect(self, user: str = ADMIN, password: str = PASSWORD) -> Any:
        """Log in."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password.encode(),
            ssl_ca=str(self.ca_file),
            autocommit=True,
        )

    def ask(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What the server answers the administrator."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return list(cursor.fetchall())

    def lets_in(self, user: str, password: str) -> bool:
        """Whether somebody logs in."""
        try:
            self.connect(user, password).close()
        except pymysql.err.OperationalError as error:
            assert error.args[0] in {1045, 4151, 3118}, error  # noqa: PT017 - access denied, account locked
            return False
        return True


@contextmanager
def running_mariadb(folder: Path) -> Iterator[MariaDb]:
    """One that keeps its data in ``folder`` and writes down every statement."""
    data, log, port = folder / "data", folder / "statements.log", free_port()
    ca_file, _ = make_authority(folder)
    pem = folder / "server.pem"
    account = [f"--user={os.environ.get('USER', 'root')}"] if os.geteuid() == 0 else []
    settings = folder / "my.cnf"
    settings.write_text(
        f"[mysqld]\ndatadir={data}\nsocket={folder / 'mysql.sock'}\npid-file={folder / 'mysql.pid'}\n"
        f"bind-address=127.0.0.1\nport={port}\nrequire_secure_transport=ON\nssl-ca={ca_file}\nssl-cert={pem}\n"
        f"ssl-key={pem}\ngeneral-log=1\ngeneral-log-file={log}\ninnodb-buffer-pool-size=16M\n"
        "innodb-log-file-size=8M\ninnodb-flush-log-at-trx-commit=0\nperformance-schema=OFF\nskip-name-resolve\n"
    )
    first = folder / "first.sql"
    own = ", ".join(f"'root'@'{host}'" for host in ("localhost", "127.0.0.1", "::1", socket.gethostname()))
    first.write_text(
        f"DROP USER IF EXISTS {own};\n"
        f"CREATE USER '{ADMIN}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD.replace(chr(39), chr(39) * 2)}';\n"
        f"GRANT CREATE USER ON *.* TO '{ADMIN}'@'127.0.0.1';\nGRANT SELECT ON mysql.* TO '{ADMIN}'@'127.0.0.1';\n"
    )
    subprocess.run(
        [
            *(program("mariadb-install-db") or "", f"--defaults-file={settings}", *account),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        ],
        check=True,
        capture_output=True,
    )
    command = [program("mariadbd") or "", f"--defaults-file={settings}", f"--init-file={first}", *account]
    with running(command, folder / "server.log", lambda: listens(port)):
        yield MariaDb(port, ca_file, log)

"""A MySQL of the tests' own, where ``HOLDFAST_MYSQLD`` names its server: stable Debian has none."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.certificates import make_authority
from tests.support.debian import free_port, listens, running
from tests.support.mariadb import ADMIN, PASSWORD, MariaDb

MYSQLD: Final = os.environ.get("HOLDFAST_MYSQLD")


@contextmanager
def running_mysql(folder: Path) -> Iterator[MariaDb]:
    """One that keeps its data in ``folder`` and writes down every statement."""
    assert MYSQLD is not None
    data, log, port = folder / "data", folder / "statements.log", free_port()
    ca_file, _ = make_authority(folder)
    pem, settings, first = folder / "server.pem", folder / "my.cnf", folder / "first.sql"
    settings.write_text(
        f"[mysqld]\ndatadir={data}\nsocket={folder / 'mysql.sock'}\npid-file={folder / 'mysql.pid'}\n"
        f"bind-address=127.0.0.1\nport={port}\nmysqlx=OFF\nrequire_secure_transport=ON\nssl-ca={ca_file}\n"
        f"ssl-cert={pem}\nssl-key={pem}\ngeneral-log=1\ngeneral-log-file={log}\nskip-name-resolve\n"
        "performance-schema=OFF\ninnodb-buffer-pool-size=32M\ninnodb-flush-log-at-trx-commit=0\nskip-log-bin\n"
        "secure-file-priv=NULL\n"
    )
    first.write_text(
        f"CREATE USER '{ADMIN}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD.replace(chr(39), chr(39) * 2)}';\n"
        f"GRANT CREATE USER ON *.* TO '{ADMIN}'@'127.0.0.1';\nGRANT SELECT ON mysql.* TO '{ADMIN}'@'127.0.0.1';\n"
        "DROP USER 'root'@'localhost';\n"
    )
    command = [MYSQLD, f"--defaults-file={settings}", *(["--user=root"] if os.geteuid() == 0 else [])]
    subprocess.run([*command, "--initialize-insecure"], check=True, capture_output=True)
    with running([*command, f"--init-file={first}"], folder / "server.log", lambda: listens(port)):
        yield MariaDb(port, ca_file, log)

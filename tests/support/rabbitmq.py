"""A RabbitMQ of the tests' own, on loopback: its management API over TLS, its Erlang node known to itself alone."""

import json
import os
import secrets
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.certificates import make_authority
from tests.support.debian import free_port, listens, program, running

ADMIN, PASSWORD = "holdfast-admin", "an:administrator's"


@dataclass(frozen=True)
class RabbitMq:
    """Where its management API listens."""

    port: int
    ca_file: Path

    @property
    def origin(self) -> str:
        """Of the API."""
        return f"https://127.0.0.1:{self.port}"

    def url(self, user: str = ADMIN, password: str = PASSWORD) -> str:
        """The API's URL, as a user."""
        return f"https://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: object = None, *, user: str = ADMIN, password: str = PASSWORD
    ) -> tuple[int, Any]:
        """What the API answers."""
        credential = b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"{self.origin}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Basic {credential}", "content-type": "application/json"},
        )
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, None

    def make_user(self, user: str, password: str = "first", tags: str = "management,payments") -> None:
        """Make a user, or give it that password."""
        status, _ = self.ask("PUT", f"/api/users/{quote(user, safe='')}", {"password": password, "tags": tags})
        assert status in {201, 204}

    def lets_in(self, user: str, password: str) -> bool:
        """Whether somebody logs in."""
        return self.ask("GET", "/api/whoami", user=user, password=password)[0] == 200


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitMq]:
    """One that keeps everything in ``folder``. Both of its processes are children of ours."""
    epmd_port, dist_port, amqp_port, port = (free_port() for _ in range(4))
    ca_file, _ = make_authority(folder)
    pem = folder / "server.pem"
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{amqp_port}\nmanagement.ssl.ip = 127.0.0.1\nmanagement.ssl.port = {port}\n"
        f"management.ssl.cacertfile = {ca_file}\nmanagement.ssl.certfile = {pem}\nmanagement.ssl.keyfile = {pem}\n"
        "loopback_users = none\nlog.console = false\nload_definitions = " + str(folder / "definitions.json") + "\n"
    )
    user = {"name": ADMIN, "password": PASSWORD, "tags": "administrator"}
    (folder / "definitions.json").write_text(json.dumps({"users": [user], "vhosts": [{"name": "/"}]}))
    (folder / "plugins").write_text("[rabbitmq_management].\n")
    cookie = folder / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(20))
    cookie.chmod(0o400)
    environ = {
        "PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_NODENAME": f"holdfast-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(dist_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
    }
    server = RabbitMq(port, ca_file)
    epmd = [program("epmd") or "", "-port", str(epmd_port), "-address", "127.0.0.1"]
    with (
        running(epmd, folder / "epmd.log", lambda: listens(epmd_port), environ),
        running(
            [program("rabbitmq-server") or ""],
            folder / "server.log",
            lambda: listens(port) and server.lets_in(ADMIN, PASSWORD),
            environ,
        ),
    ):
        yield server

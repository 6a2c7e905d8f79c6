"""``holdfast identity-endpoint`` as a process: Azure's SDK as it is, an agent, and a server behind it."""

import asyncio
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.https import Response
from tests.support.issuer import local_issuer
from tests.support.node import rows
from tests.support.unmodified import DOMAIN, READ, Domain, in_a_domain

RESOURCE = f"https://{DOMAIN}"
_PROGRAM = "import sys; from holdfast.cli.main import main; sys.exit(main())"
_READ = READ.format(credential="DefaultAzureCredential", name="greeting")


@pytest.fixture(scope="module")
async def domain(postgres_server: EmbeddedPostgres) -> AsyncIterator[Domain]:
    async with in_a_domain(postgres_server.dsn) as made:
        await made.installation.service.set_secret("greeting", "hello")
        yield made


class Agent:
    """How the agent is started for one client of an installation."""

    def __init__(self, domain: Domain, folder: Path, client_id: str) -> None:
        self.domain, self.folder, self.client_id = domain, folder, client_id
        self.credential, self.env_file = folder / "credential", folder / "identity.env"
        self.proof: tuple[str, ...] = ("--credential", str(self.credential))

    async def registered(self) -> "Agent":
        self.write(await self.domain.installation.register(self.client_id))
        return self

    def write(self, secret: str) -> None:
        fresh = self.folder / "fresh"
        fresh.write_text(f"{self.client_id}:{secret}\n")
        fresh.chmod(0o600)
        fresh.replace(self.credential)

    def arguments(self, *more: str) -> list[str]:
        named = (*self.proof, "--resource", RESOURCE)
        return [sys.executable, "-c", _PROGRAM, "identity-endpoint", *named, *more]

    def environ(self, **more: str) -> dict[str, str]:
        own = {
            "HOME": str(self.folder),
            "HOLDFAST_ADDR": self.domain.installation.url,
            "HOLDFAST_CACERT": str(self.domain.installation.ca_file),
        }
        return self.domain.environ(own | more)

    async def run(self, *more: str, **environ: str) -> tuple[int, str, str]:
        """Run it to its end."""
        process = await asyncio.create_subprocess_exec(
            *self.arguments(*more),
            env=self.environ(**environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(120):
            out, errors = await process.communicate()
        return process.returncode or 0, out.decode(), errors.decode()

    @asynccontextmanager
    async def serving(self, *more: str, **environ: str) -> AsyncIterator["Served"]:
        """Run it with a file of variables, until the end of the block."""
        process = await asyncio.create_subprocess_exec(
            *self.arguments("--json", "--env-file", str(self.env_file), *more),
            env=self.environ(**environ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(60):
                told = json.loads(await process.stdout.readuntil(b"\n}\n"))
            yield Served(process, told, dict(line.split("=", 1) for line in self.env_file.read_text().splitlines()))
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


class Served:
    """A running agent: what it told, and the variables that it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, told: dict[str, str], given: dict[str, str]) -> None:
        self.process, self.told, self.given = process, told, given

    async def ask(self, resource: str = RESOURCE, **headers: str) -> Response:
        """Ask as a library does, over plain HTTP."""
        query = urlencode({"api-version": "2019-08-01", "resource": resource})
        port = int(self.given["IDENTITY_ENDPOINT"].split(":")[2].split("/")[0])
        lines = {"Host": f"127.0.0.1:{port}", "X-IDENTITY-HEADER": self.given["IDENTITY_HEADER"], **headers}
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"GET /msi/token?{query} HTTP/1.1\r\n{head}\r\n".encode())
        async with asyncio.timeout(30):
            raw = await reader.read()
        writer.close()
        head_raw, _, body = raw.partition(b"\r\n\r\n")
        return Response(int(head_raw.split()[1]), (), body)

    async def ended(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Tell it to stop; return its exit code and what it had to say."""
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            _, errors = await self.process.communicate()
        return self.process.returncode or 0, errors.decode()


async def test_a_program_logs_in_by_what_its_environment_says_and_never_sees_the_secret(
    domain: Domain, tmp_path: Path
) -> None:
    agent = await Agent(domain, tmp_path, "agent-run").registered()
    secret = agent.credential.read_text().strip().partition(":")[2]
    shown = "import os; print(sorted(name for name in os.environ if 'HOLDFAST' in name or 'I_' in name[:4]))\n"
    program = f"{shown}{_READ}\nimport os; assert {secret!r} not in repr(dict(os.environ)); raise SystemExit(3)"
    code, out, errors = await agent.run("--", sys.executable, "-c", program)
    assert (code, errors) == (3, ""), errors
    assert out == "['MSI_ENDPOINT', 'MSI_SECRET']\nhello\n"
    assert domain.tunnel.refused == []


async def test_an_old_library_logs_in_by_the_former_version(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-old").registered()
    program = f"import os; del os.environ['IDENTITY_ENDPOINT'], os.environ['IDENTITY_HEADER']\n{_READ}"
    code, out, errors = await agent.run("--", sys.executable, "-c", program)
    assert (code, out) == (0, "hello\n"), errors


async def test_the_file_is_there_for_as_long_as_the_endpoint_is(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-file").registered()
    async with agent.serving() as served:
        assert stat.S_IMODE(agent.env_file.stat().st_mode) == 0o600
        assert served.told == {
            "endpoint": served.given["IDENTITY_ENDPOINT"],
            "env_file": str(agent.env_file),
            "server": domain.installation.url,
        }
        assert served.given["IDENTITY_HEADER"] not in agent.credential.read_text()
        code, out, errors = await domain.runs(_READ, **served.given)
        assert (code, out) == (0, "hello"), errors
        assert await served.ended() == (0, "")
    assert not agent.env_file.exists()
    async with agent.serving() as again:
        assert again.given["IDENTITY_HEADER"] != served.given["IDENTITY_HEADER"]
        assert (await again.ended(signal.SIGINT))[0] == 0


async def test_strangers_on_the_machine_get_nothing(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-strangers").registered()
    async with agent.serving() as served:
        assert (await served.ask()).status == 200
        for headers in (
            {"X-IDENTITY-HEADER": "x" * 43},
            {"X-IDENTITY-HEADER": agent.credential.read_text().strip()},
            {"Host": "evil.example"},
            {"X-Forwarded-For": "10.0.0.1"},
            {"Content-Length": "1"},
        ):
            assert (await served.ask(**headers)).status in {400, 401}
        foreign = await served.ask("https://storage.azure.com/")
        assert (foreign.status, json.loads(foreign.body)["error"]) == (400, "invalid_resource")
        code, errors = await served.ended()
    assert code == 0
    assert "has refused" in errors
    secrets = (served.given["IDENTITY_HEADER"], agent.credential.read_text().strip().partition(":")[2])
    assert not any(each in errors for each in secrets)


async def test_a_rotated_secret_counts_and_a_removed_client_ends_it(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-rotated").registered()
    service = domain.installation.service
    async with agent.serving() as served:
        first = json.loads((await served.ask()).body)["access_token"]
        assert json.loads((await served.ask()).body)["access_token"] == first
        await service.remove_client("agent-rotated")
        agent.write(await service.add_client("agent-rotated"))
        second = json.loads((await served.ask()).body)["access_token"]
        assert second != first
        await service.remove_client("agent-rotated")
        agent.write("hfs_gone")
        refused = await served.ask()
        assert (refused.status, json.loads(refused.body)["error"]) == (401, "unauthorized_client")
    found = await rows(
        str(domain.installation.settings.database_url),
        "SELECT success FROM secret_access_logs WHERE user_id = 'agent-rotated' AND operation = 'login' ORDER BY seq",
    )
    assert found == [(True,), (True,), (False,)], "one login for each token, and the refusal"


async def test_what_is_not_holdfasts_is_handed_on_when_it_was_told_to(domain: Domain, tmp_path: Path) -> None:
    from aiohttp import web

    from tests.agent.test_platform import STORAGE, TOKEN, endpoint

    agent = await Agent(domain, tmp_path, "agent-pass-on").registered()
    async with (
        endpoint(web.Response(body=TOKEN)) as (url, asked),
        agent.serving("--pass-on", IDENTITY_ENDPOINT=url, IDENTITY_HEADER="platforms-own") as served,
    ):
        assert (await served.ask(STORAGE)).body == TOKEN
        assert (await served.ask()).status == 200
        assert [request.headers["X-IDENTITY-HEADER"] for request in asked] == ["platforms-own"]


async def test_a_token_of_a_trusted_issuer_stands_in_for_the_secret(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """As a pod's service account token does, which Kubernetes renews in its file."""
    issuers, token_file = tmp_path / "issuers.toml", tmp_path / "token"
    async with local_issuer(tmp_path) as issuer:
        issuers.write_text(
            f'[[issuer]]\nname = "k8s"\nissuer = "{issuer.url}"\naudiences = ["holdfast"]\n'
            f'ca_file = "{issuer.ca_file}"\n'
        )
        async with in_a_domain(postgres_server.dsn, tenant_name="adfs", oidc_issuers=issuers) as domain:
            service = domain.installation.service
            await service.set_secret("greeting", "hello")
            await domain.installation.register("pod")
            subject = "system:serviceaccount:shop:api"
            await service.client_credentials.federate(
                "pod", name="k8s", issuer=issuer.url, subject=subject, audience="for-pod"
            )
            token_file.write_text(issuer.token({"sub": subject, "aud": "for-pod"}))
            agent = Agent(domain, tmp_path, "pod")
            agent.proof = ("--token-file", str(token_file), "--client-id", "pod", "--tenant", "adfs")
            code, out, errors = await agent.run("--", sys.executable, "-c", _READ)
            assert (code, out, errors) == (0, "hello\n", "")
            token_file.write_text(issuer.token({"sub": "system:serviceaccount:shop:other", "aud": "for-pod"}))
            code, out, errors = await agent.run("--", "echo", "started")
            assert (code, out) == (4, "")
            assert "refuses the credential" in errors


async def test_a_server_that_is_away_at_the_start_is_waited_for(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-early").registered()
    async with agent.serving(HOLDFAST_ADDR="https://127.0.0.1:1") as served:
        answer = await served.ask()
        assert (answer.status, json.loads(answer.body)["error"]) == (503, "temporarily_unavailable")
        code, errors = await served.ended()
    assert code == 0
    assert "https://127.0.0.1:1 cannot be reached" in errors


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "text"),
    [
        (("--env-file", "{f}", "--", "true"), {}, 2, "either a COMMAND to run or --env-file"),
        ((), {}, 2, "either a COMMAND to run or --env-file"),
        (("--", "true"), {"HOLDFAST_ADDR": ""}, 9, "HOLDFAST_ADDR"),
        (("--port", "65536", "--", "true"), {}, 2, "--port"),
        (("--token-file", "/x", "--", "true"), {}, 2, "--client-id"),
        (("--resource", "marked", "--", "true"), {}, 2, "--resource"),
        (("--", "no-such-command"), {}, 127, "there is no such command"),
        (("--", "/etc/passwd"), {}, 126, "may not be executed"),
        (("--env-file", "/nowhere/x"), {}, 9, "/nowhere/x cannot be written"),
        (("--", "true"), {"HOLDFAST_CACERT": ""}, 9, "HOLDFAST_CACERT"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence(
    domain: Domain, tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], code: int, text: str
) -> None:
    agent = Agent(domain, tmp_path, "agent-wrong")
    agent.write(_SECRETS.get("agent-wrong") or await domain.installation.register("agent-wrong"))
    _SECRETS["agent-wrong"] = agent.credential.read_text().strip().partition(":")[2]
    ended, out, errors = await agent.run(*(each.format(f=agent.env_file) for each in arguments), **environ)
    assert (ended, out) == (code, ""), errors
    assert text in errors
    assert "marked" not in errors
    assert len(errors.splitlines()) <= 2


_SECRETS: dict[str, str] = {}


async def test_a_wrong_credential_ends_it_before_a_program_starts(domain: Domain, tmp_path: Path) -> None:
    agent = Agent(domain, tmp_path, "agent-nobody")
    agent.write("hfs_marked")
    code, out, errors = await agent.run("--", "echo", "started")
    assert (code, out) == (4, "")
    assert "refuses the credential" in errors
    assert "marked" not in errors
    agent.credential.chmod(0o644)
    assert (await agent.run("--", "echo", "started"))[:2] == (9, "")


async def test_a_certificate_that_is_not_trusted_gets_no_secret(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-untrusting").registered()
    environ = agent.environ()
    del environ["HOLDFAST_CACERT"]
    process = await asyncio.create_subprocess_exec(
        *agent.arguments("--", sys.executable, "-c", _READ), env=environ, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"shows a certificate that is not trusted here" in errors


async def test_signals_reach_the_program_and_its_end_is_the_agents(domain: Domain, tmp_path: Path) -> None:
    agent = await Agent(domain, tmp_path, "agent-signals").registered()
    program = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, lambda *_: os.write(1, b'hup\\n'))\n"
        "os.write(1, b'ready\\n')\n"
        "while True: signal.pause()"
    )
    process = await asyncio.create_subprocess_exec(
        *agent.arguments("--", sys.executable, "-c", program),
        env=agent.environ(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        assert await process.stdout.readline() == b"hup\n"
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM

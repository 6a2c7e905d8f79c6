"""The same commands against a running server: what they print is what they print on the machine itself."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyotp
import pytest

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from tests.cli.runner import holdfast
from tests.cli.test_audit import Taken
from tests.cli.test_transcripts import HERE, play
from tests.support.certificates import make_client_certificate, public_pem
from tests.support.folders import short_folder
from tests.support.installation import installed
from tests.support.node import settings_for
from tests.support.postgres import execute

REMOTE = ["explain.txt", "lifecycle.txt", "rotation.txt", "simulate.txt", "values.txt", "versions.txt"]


@pytest.fixture(scope="module")
def remote_certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))


@contextmanager
def serving(dsn: str, folder: Path, certificate: ServerCertificate) -> Iterator[dict[str, str]]:
    """A server in a thread of its own, as commands block; yields the environment that leads to it."""
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    environ: dict[str, str] = {}

    async def serve() -> None:
        async with installed(settings_for(dsn, folder), certificate) as installation:
            secret = await installation.register("remote", ())
            await installation.service.access.assign_role("remote", "admin", "*")
            client = await installation.client("remote", secret)
            environ.update(
                HOLDFAST_ADDR=installation.url,
                HOLDFAST_TOKEN=client.token or "",
                HOLDFAST_CACERT=str(installation.ca_file),
                HOME=str(folder),
            )
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield environ
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()


@pytest.mark.parametrize("name", REMOTE)
def test_transcripts_are_the_same_from_afar(
    name: str, database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        play(HERE / name, environ)


def test_roles_are_given_and_taken_from_afar(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        assert holdfast("role", "assign", "app", "reader", "pay-*", "--expires", "1d", environ=environ).code == 0
        listed = holdfast("role", "list", "--json", environ=environ)
        found = {each["subject"]: each for each in json.loads(listed.stdout)}
        assert (found["app"]["role"], found["app"]["pattern"], found["app"]["granted_by"]) == (
            "reader",
            "pay-*",
            "remote",
        )
        assert holdfast("check", "pay-db", "app", "get", environ=environ).code == 0
        removed = holdfast("role", "unassign", "app", "reader", "pay-*", environ=environ)
        assert (removed.code, removed.stderr.splitlines()[0]) == (0, "Removed.")
        assert holdfast("check", "pay-db", "app", "get", environ=environ).code == 4
        wrong = holdfast("role", "assign", "app", "wizard", "*", environ=environ)
        assert (wrong.code, "not a role" in wrong.stderr) == (2, True)


def test_identities_and_tokens_are_managed_from_afar(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        assert holdfast("identity", "add", "app", environ=environ).code == 0
        assert holdfast("identity", "add", "App", environ=environ).code == 5
        assert "app is in dev, ops.\n" in holdfast("identity", "groups", "app", "ops", "dev", environ=environ).stderr
        made = holdfast("token", "create", "app", "--ttl", "12h", "--from", "127.0.0.0/8", environ=environ)
        assert made.code == 0
        assert made.stdout.strip() not in made.stderr
        own = {**environ, "HOLDFAST_TOKEN": made.stdout.strip()}
        assert holdfast("get", "db", environ=own).code == 4
        assert holdfast("grant", "db", "group:ops", "get", environ=environ).code == 0
        assert holdfast("set", "db", stdin=b"s3cret", environ=environ).code == 0
        assert holdfast("get", "db", environ=own).stdout == "s3cret"
        (token,) = json.loads(holdfast("token", "list", "app", "--json", environ=environ).stdout)
        assert token["networks"] == ["127.0.0.0/8"]
        assert holdfast("token", "renew", token["id"], environ=own).code == 0
        (app, _) = json.loads(holdfast("identity", "list", "--json", environ=environ).stdout)
        assert (app["name"], app["groups"], app["tokens"]) == ("app", ["dev", "ops"], 1)
        assert holdfast("identity", "disable", "app", environ=environ).code == 0
        assert holdfast("get", "db", environ=own).code == 4
        assert holdfast("identity", "enable", "app", environ=environ).code == 0
        assert holdfast("get", "db", environ=own).code == 0
        second = json.loads(holdfast("token", "create", "app", "--json", environ=environ).stdout)
        newest_first = [each["id"] for each in json.loads(holdfast("token", "list", "--json", environ=environ).stdout)]
        assert newest_first == [second["id"], token["id"]]
        assert holdfast("token", "revoke", token["id"], environ=environ).code == 0
        assert holdfast("get", "db", environ=own).code == 4
        assert holdfast("identity", "remove", "app", environ=environ).code == 0
        assert holdfast("identity", "remove", "app", environ=environ).code == 3
        assert holdfast("admin", "reset", environ=environ).code == 9


def test_a_second_factor_is_enrolled_and_checked_from_afar(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        assert holdfast("identity", "add", "alice", "--kind", "person", environ=environ).code == 0
        token = holdfast("token", "create", "alice", environ=environ).stdout.strip()
        alice = {**environ, "HOLDFAST_TOKEN": token}
        made = holdfast("totp", "enrol", environ=alice)
        assert made.code == 0
        assert made.stdout.startswith("otpauth://totp/")
        app = pyotp.parse_uri(made.stdout)
        assert isinstance(app, pyotp.TOTP)
        code = app.now().encode()
        assert holdfast("totp", "verify", stdin=code, environ=alice).code == 4  # nothing is confirmed yet
        wrong = holdfast("totp", "confirm", stdin=b"12345\n", environ=alice)
        assert (wrong.code, "Traceback" in wrong.stderr) == (2, False)
        assert holdfast("totp", "confirm", stdin=code, environ=alice).code == 0
        assert holdfast("totp", "confirm", stdin=code, environ=alice).code == 4  # a code is good once
        assert holdfast("totp", "enrol", environ=alice).code == 5
        assert holdfast("totp", "remove", "alice", environ=alice).code == 4
        assert holdfast("totp", "remove", "alice", environ=environ).code == 0
        assert holdfast("totp", "enrol", environ=alice).code == 0


def test_login_keeps_a_token_that_only_its_owner_reads(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        token, address = environ.pop("HOLDFAST_TOKEN"), environ["HOLDFAST_ADDR"]
        refused = holdfast("list", environ=environ)
        assert (refused.code, "holdfast login" in refused.stderr) == (9, True)
        wrong = holdfast("login", stdin=b"hf_wrong", environ=environ)
        assert wrong.code == 4
        kept = holdfast("login", stdin=token.encode() + b"\n", environ=environ)
        assert (kept.code, kept.stdout) == (0, "")
        assert token not in kept.stderr
        file = tmp_path / ".config" / "holdfast" / "contexts.json"
        assert file.stat().st_mode & 0o777 == 0o600
        del environ["HOLDFAST_CACERT"]  # kept with the login
        assert holdfast("set", "db", stdin=b"s3cret", environ=environ).code == 0
        assert holdfast("get", "db", environ=environ).stdout == "s3cret"
        file.chmod(0o644)
        open_to_all = holdfast("get", "db", environ=environ)
        assert (open_to_all.code, "chmod 600" in open_to_all.stderr) == (9, True)
        file.chmod(0o600)
        assert holdfast("logout", environ=environ).stderr == f"Logged out of {address}.\n"
        assert holdfast("get", "db", environ=environ).code == 9


def test_a_server_that_is_not_there_or_not_trusted_is_named(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    nowhere = {"HOLDFAST_ADDR": "https://127.0.0.1:1", "HOLDFAST_TOKEN": "x", "HOME": str(tmp_path)}
    gone = holdfast("get", "db", environ=nowhere)
    assert (gone.code, "https://127.0.0.1:1 cannot be reached" in gone.stderr) == (7, True)
    with serving(database_url, tmp_path, remote_certificate) as environ:
        del environ["HOLDFAST_CACERT"]
        untrusted = holdfast("get", "db", environ=environ)
        assert (untrusted.code, "HOLDFAST_CACERT" in untrusted.stderr) == (7, True)


def test_what_is_for_the_machine_itself_says_so(tmp_path: Path) -> None:
    environ = {"HOLDFAST_ADDR": "https://127.0.0.1:1", "HOLDFAST_DATA_DIR": str(tmp_path / "d"), "HOME": str(tmp_path)}
    refused = holdfast("init", environ=environ)
    assert (refused.code, "this machine only" in refused.stderr) == (9, True)


def test_a_private_key_next_to_a_certificate_is_sent_nowhere(tmp_path: Path) -> None:
    environ = {"HOLDFAST_ADDR": "https://127.0.0.1:1", "HOLDFAST_TOKEN": "x", "HOME": str(tmp_path)}
    certify = ("client", "certify", "app", "--as", "own", "--certificate")
    refused = holdfast(*certify, str(make_client_certificate(tmp_path)), environ=environ)
    assert (refused.code, "holds a private key" in refused.stderr) == (2, True)
    (tmp_path / "public.pem").write_text(public_pem())
    assert holdfast(*certify, str(tmp_path / "public.pem"), environ=environ).code == 7, "this one is sent"


def test_long_listings_come_whole(database_url: str, tmp_path: Path, remote_certificate: ServerCertificate) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        assert holdfast("set", "seed", stdin=b"x", environ=environ).code == 0
        asyncio.run(
            execute(
                database_url,
                "INSERT INTO secrets_vault (secret_name, display_name, incarnation, state, revision, attestation, "
                "version_id) SELECT lower(name), name, gen_random_uuid(), 'active', n, '', lpad(n::text, 32, '0') "
                "FROM generate_series(1, 2500) n, LATERAL (SELECT 'S-' || lpad(n::text, 5, '0') AS name) named",
            )
        )
        listed = holdfast("list", "--json", environ=environ)
        assert listed.code == 0, listed.stderr
        found = json.loads(listed.stdout)
        assert len(found) == 2501


def test_i9_the_audit_trail_is_searched_taken_away_and_checked_from_afar(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as environ:
        holdfast("set", "db", stdin=b"c4n4ry", environ=environ)
        for _ in range(3):
            holdfast("get", "db", environ=environ)
        holdfast("get", "absent", environ=environ)
        found = holdfast("audit", "search", "--outcome", "failed", "--since", "1h", "--json", environ=environ)
        assert [each["name"] for each in json.loads(found.stdout)["records"]] == ["absent"]
        first = json.loads(holdfast("audit", "search", "--limit", "2", "--json", environ=environ).stdout)
        assert len(first["records"]) == 2
        after = holdfast("audit", "search", "--limit", "2", "--cursor", first["next_cursor"], environ=environ)
        assert after.code == 0
        taken = Taken(tmp_path, environ)
        checked = taken.check()
        assert (checked.code, checked.stdout[:7]) == (0, "Intact:")
        taken.records.write_text(taken.records.read_text().replace('"version":1', '"version":2', 1))
        assert taken.check().code == 8
        sheet = holdfast("audit", "export", "--csv", environ=environ)
        assert sheet.stdout.startswith("writer,boot,seq,timestamp,")
        assert holdfast("audit", "stream", environ=environ).code == 0
        nobody = holdfast("audit", "export", environ={**environ, "HOLDFAST_TOKEN": "x"})
        assert (nobody.code, nobody.stdout) == (4, "")

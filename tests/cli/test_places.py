"""Which installation a command works on: none by accident, and every change says which one took it."""

import asyncio
import json
import logging
from pathlib import Path

import click
import pytest

from holdfast import create_secrets_service
from holdfast.cli.grammar import Change
from holdfast.cli.main import cli
from holdfast.crypto.certificates import ServerCertificate
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.cli.test_remote import remote_certificate, serving
from tests.support.catalog import contents_of
from tests.support.world import KEY

__all__ = ["remote_certificate"]

READING = {
    *("get", "list", "versions", "expiring", "run", "export", "grants", "check", "explain", "simulate", "history"),
    *("report", "status", "health", "doctor", "reconcile", "backup", "restore", "init", "serve", "completion", "help"),
    *("login", "logout", "whoami", "context list", "context use", "context remove", "keys add", "keys status"),
    *("rotation list", "rotation show", "notices list", "notices preview", "notices test", "role list"),
    *(
        "audit search",
        "audit export",
        "audit unshipped",
        "audit checkpoints",
        "audit key",
        "audit bundle",
        "audit stream",
    ),
    *("audit gaps", "audit verify", "break-glass list", "break-glass show", "break-glass codes list"),
    *("identity list", "token list", "totp verify", "client list", "client credentials"),
    "identity-endpoint",
}
"""Commands that change nothing in an installation, or say themselves which one it is."""


def commands(group: click.Group, *path: str) -> list[tuple[str, click.Command]]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
        else:
            found.append((" ".join((*path, name)), command))
    return found


def test_every_command_says_where_it_wrote_or_is_known_to_read() -> None:
    changing = {name for name, command in commands(cli) if isinstance(command, Change)}
    assert changing | READING == {name for name, _ in commands(cli)}
    assert not changing & READING


@pytest.mark.parametrize("command", [("set", "db"), ("get", "db"), ("list",), ("health",), ("admin", "reset")])
def test_no_command_makes_an_installation_by_accident(command: tuple[str, ...], tmp_path: Path) -> None:
    refused = holdfast(*command, stdin=b"s3cret", environ={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)})
    assert refused.code == 9
    assert "no installation here" in refused.stderr
    assert "no HOLDFAST_ADDR" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_stays_empty(empty: str, tmp_path: Path) -> None:
    refused = holdfast("set", "db", stdin=b"s3cret", environ=environment(empty, tmp_path))
    assert (refused.code, "no installation here" in refused.stderr) == (9, True)
    assert asyncio.run(contents_of(empty)) == {"sequences": []}
    made = holdfast("set", "db", "--create", stdin=b"s3cret", environ=environment(empty, tmp_path))
    assert made.code == 0
    assert holdfast("get", "db", environ=environment(empty, tmp_path)).stdout == "s3cret"


def test_a_change_names_the_installation_without_its_password(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    said = holdfast("set", "db", stdin=b"s3cret", environ=environ).stderr
    assert "Taken by the installation in the database " in said
    assert "holdfast" not in said.partition("Taken by")[2]
    assert "Taken by" not in holdfast("get", "db", environ=environ).stderr
    quiet = holdfast("set", "db", "--json", stdin=b"s3cret", environ=environ)
    assert quiet.stderr == ""


def test_a_login_makes_its_server_the_default_and_contexts_choose_another(
    database_url: str, tmp_path: Path, remote_certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, remote_certificate) as given:
        address, token, ca_file = (given[f"HOLDFAST_{name}"] for name in ("ADDR", "TOKEN", "CACERT"))
        home = {"HOME": str(tmp_path)}
        login = ("login", "--addr", address, "--cacert", ca_file, "--name", "prod")
        assert holdfast(*login, stdin=token.encode(), environ=home).code == 0
        said = holdfast("set", "db", stdin=b"s3cret", environ=home)
        assert (said.code, said.stderr) == (0, f"db is now at version 1.\nTaken by {address}.\n")
        assert holdfast("get", "db", environ=home).stdout == "s3cret"
        listed = holdfast("context", "list", "--json", environ=home)
        assert json.loads(listed.stdout) == [{"current": True, "name": "prod", "address": address, "ca_file": ca_file}]
        assert token not in holdfast("context", "list", environ=home).stdout
        me = json.loads(holdfast("whoami", "--json", environ=home).stdout)
        assert (me["identity"], me["method"], me["place"]) == ("remote", "client", address)
        assert me["installation"] in holdfast("whoami", environ=home).stdout
        elsewhere = {**home, "HOLDFAST_ADDR": "https://127.0.0.1:1", "HOLDFAST_TOKEN": "x"}
        assert holdfast("get", "db", environ=elsewhere).code == 7
        assert holdfast("--context", "prod", "get", "db", environ=elsewhere).stdout == "s3cret"
        assert holdfast("get", "db", "--context", "prod", environ=elsewhere).stdout == "s3cret"
        assert holdfast("get", "db", "--context", "test", environ=home).code == 9
        assert holdfast("init", "--context", "prod", environ=home).code == 9
        assert holdfast("context", "remove", "prod", environ=home).code == 0
        assert holdfast("get", "db", environ=home).code == 9


def test_the_library_says_that_it_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path / "data"))
    with caplog.at_level(logging.WARNING):
        create_secrets_service()
    assert [str(tmp_path / "data") in record.getMessage() for record in caplog.records] == [True]
    caplog.clear()
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/x")
    monkeypatch.setenv("FALLBACK_ENCRYPTION_KEY", KEY)
    create_secrets_service()
    assert caplog.records == []

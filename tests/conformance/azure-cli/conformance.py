"""``az keyvault secret`` through all its commands. Prints a line for each thing that works."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENVIRON = {
    **os.environ,
    "AZURE_CORE_COLLECT_TELEMETRY": "false",
    "AZURE_CORE_INSTANCE_DISCOVERY": "false",
    "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
    "AZURE_CORE_OUTPUT": "json",
}
VAULT = ("--vault-name", "my")


def az(*arguments: str) -> tuple[int, str, str]:
    """Run a command: its exit code, output and error output."""
    command = [sys.executable, "-m", "azure.cli", *arguments]
    ended = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def done(*arguments: str) -> Any:
    """Run a command that must succeed, and return what it prints."""
    code, said, error = az(*arguments)
    assert code == 0, f"az {' '.join(arguments)} ended with {code}: {error}"
    return json.loads(said) if said.strip() else None


def secret(command: str, name: str, *arguments: str) -> Any:
    """Run a command of ``az keyvault secret`` that must succeed."""
    return done("keyvault", "secret", command, *VAULT, "--name", name, *arguments)


def refused(words: str, *arguments: str, code: int = 1) -> None:
    """Run a command that must be refused in these words, which scripts look for."""
    ended, _, error = az(*arguments)
    assert ended == code, f"az {' '.join(arguments)} ended with {ended}: {error}"
    assert error.startswith(f"ERROR: {words}"), error


def begin(config: str) -> None:
    """Begin with a fresh configuration, in which the server is the cloud and nobody is logged in."""
    ENVIRON["AZURE_CONFIG_DIR"] = str(Path(config).absolute())
    shutil.rmtree(config, ignore_errors=True)
    done("cloud", "register", "--name", "Holdfast", "--endpoint-resource-manager", ENVIRON["VAULT_URL"])
    done("cloud", "set", "--name", "Holdfast")


def log_in(client_id: str, client_secret: str) -> tuple[int, str, str]:
    """Log a client in."""
    tenant = ENVIRON["AZURE_TENANT_ID"]
    return az(
        *("login", "--service-principal", "--tenant", tenant, "--username", client_id, "--password", client_secret)
    )


def names(command: str) -> list[str]:
    """The names that a listing prints."""
    return [each["name"] for each in done("keyvault", "secret", command, *VAULT)]


def set_and_get() -> None:
    made = secret("set", "Az-First", "--value", "one", "--description", "text/plain", "--tags", "team=core")
    found = secret("show", "az-first")
    assert (found["value"], found["contentType"], found["name"]) == ("one", "text/plain", "Az-First")
    assert found["id"] == made["id"]
    assert found["tags"]["team"] == "core"
    assert done("keyvault", "secret", "show", "--id", made["id"])["value"] == "one"


def any_text() -> None:
    for value in ('ünï \U0001f600 \n "\\', "x" * 25_600):
        Path("value").write_text(value)
        Path("found").unlink(missing_ok=True)
        secret("set", "az-text", "--file", "value", "--encoding", "utf-8")
        secret("download", "az-text", "--file", "found")
        assert Path("found").read_text() == value


def versions() -> None:
    made = [secret("set", "az-versions", "--value", value)["id"].rpartition("/")[2] for value in ("1", "2")]
    assert secret("show", "az-versions", "--version", made[0])["value"] == "1"
    listed = [each["id"].rpartition("/")[2] for each in secret("list-versions", "az-versions")]
    assert sorted(listed) == sorted(made)


def update() -> None:
    made = secret("set", "az-update", "--value", "v")
    secret("set-attributes", "az-update", "--content-type", "b", "--expires", "2099-12-31T00:00:00Z")
    found = secret("show", "az-update")
    assert (found["contentType"], found["attributes"]["expires"]) == ("b", "2099-12-31T00:00:00+00:00")
    assert found["id"] == made["id"]


def fifteen_tags() -> None:
    tags = {f"k{number}": f"v{number}" for number in range(15)}
    secret("set", "az-tags", "--value", "v")
    secret("set-attributes", "az-tags", "--tags", *(f"{key}={value}" for key, value in tags.items()))
    assert secret("show", "az-tags")["tags"] == tags


def no_tags() -> None:
    secret("set", "az-no-tags", "--value", "v")
    secret("set-attributes", "az-no-tags", "--tags", "")
    assert secret("show", "az-no-tags")["tags"] == {}


def dates() -> None:
    given = ("--not-before", "2020-01-01T00:00:00Z", "--expires", "2100-01-01T00:00:00Z")
    secret("set", "az-dates", "--value", "v", *given)
    found = secret("show", "az-dates")["attributes"]
    assert found["notBefore"] == "2020-01-01T00:00:00+00:00"
    assert found["expires"] == "2100-01-01T00:00:00+00:00"


def disabled() -> None:
    secret("set", "az-disabled", "--value", "v", "--disabled", "true")
    words = "(Forbidden) Operation get is not allowed on a disabled secret."
    refused(words, "keyvault", "secret", "show", *VAULT, "--name", "az-disabled")
    secret("set-attributes", "az-disabled", "--enabled", "true")
    assert secret("show", "az-disabled")["value"] == "v"


def pages() -> None:
    listed = names("list")
    assert {"Az-First", "az-text", "az-versions"} <= set(listed)
    assert len(listed) == len(set(listed))
    assert len(done("keyvault", "secret", "list", *VAULT, "--maxresults", "2")) == 2


def delete() -> None:
    secret("set", "Az-Delete", "--value", "v")
    deleted = secret("delete", "Az-Delete")
    assert deleted["deletedDate"]
    assert deleted["scheduledPurgeDate"]
    words = "(SecretNotFound) A secret with (name/id) Az-Delete was not found in this key vault."
    refused(words, "keyvault", "secret", "show", *VAULT, "--name", "Az-Delete", code=3)


def name_taken() -> None:
    words = "(Conflict) Secret Az-Delete is currently in a deleted but recoverable state"
    refused(words, "keyvault", "secret", "set", *VAULT, "--name", "Az-Delete", "--value", "v")


def deleted_secrets() -> None:
    assert "Az-Delete" in names("list-deleted")
    assert secret("show-deleted", "az-delete")["name"] == "Az-Delete"
    words = "(SecretNotFound) Deleted Secret not found: az-none"
    refused(words, "keyvault", "secret", "show-deleted", *VAULT, "--name", "az-none")


def recover() -> None:
    secret("recover", "az-delete")
    assert secret("show", "az-delete")["value"] == "v"


def purge() -> None:
    secret("delete", "az-delete")
    secret("purge", "az-delete")
    assert "Az-Delete" not in names("list-deleted")


def backup_and_restore() -> None:
    first = secret("set", "az-backup", "--value", "1")["id"].rpartition("/")[2]
    secret("set", "az-backup", "--value", "2")
    Path("backup").unlink(missing_ok=True)
    secret("backup", "az-backup", "--file", "backup")
    secret("delete", "az-backup")
    secret("purge", "az-backup")
    done("keyvault", "secret", "restore", *VAULT, "--file", "backup")
    assert secret("show", "az-backup", "--version", first)["value"] == "1"


def not_there() -> None:
    words = "(SecretNotFound) A secret with (name/id) az-none was not found in this key vault."
    refused(words, "keyvault", "secret", "show", *VAULT, "--name", "az-none", code=3)
    refused("(BadParameter) The request URI", "keyvault", "secret", "set", *VAULT, "--name", "az_none", "--value", "v")
    refused("(SecretsOnly) This vault holds secrets only", "keyvault", "key", "show", *VAULT, "--name", "az-first")
    refused("(SecretsOnly) This vault holds secrets only", "keyvault", "certificate", "list", *VAULT)


def stranger() -> None:
    assert log_in(ENVIRON["STRANGER_ID"], ENVIRON["STRANGER_SECRET"])[0] == 0
    words = "(Forbidden) Caller is not authorized to perform action on resource."
    refused(words, "keyvault", "secret", "show", *VAULT, "--name", "az-first")
    refused(words, "keyvault", "secret", "set", *VAULT, "--name", "az-first", "--value", "v")
    refused(words, "keyvault", "secret", "list", *VAULT)


def wrong_secret() -> None:
    begin("config-without-tokens")
    code, _, error = log_in(ENVIRON["AZURE_CLIENT_ID"], "wrong")
    assert code == 1, error
    assert "AADSTS7000215" in error, error


CHECKS: dict[str, Callable[[], None]] = {
    "set and get": set_and_get,
    "any text is a value": any_text,
    "versions, and a pinned one": versions,
    "an update": update,
    "15 tags": fifteen_tags,
    "an empty map of tags": no_tags,
    "dates": dates,
    "a disabled secret": disabled,
    "a listing in pages": pages,
    "delete and poll": delete,
    "the name of a deleted secret": name_taken,
    "deleted secrets": deleted_secrets,
    "recover and poll": recover,
    "purge": purge,
    "backup and restore": backup_and_restore,
    "what is not there": not_there,
    "whoever may nothing": stranger,
    "a wrong client secret": wrong_secret,
}


def main() -> None:
    """Make a cloud of the server, log in, and do the checks."""
    begin("config")
    code, _, error = log_in(ENVIRON["AZURE_CLIENT_ID"], ENVIRON["AZURE_CLIENT_SECRET"])
    assert code == 0, error
    passed = [passes(name, check) for name, check in CHECKS.items()]
    sys.exit(0 if all(passed) else 1)


def passes(name: str, check: Callable[[], None]) -> bool:
    """Do one check, and say how it ended."""
    try:
        check()
    except (AssertionError, KeyError, OSError) as failure:
        print(f"FAILED {name}: {failure!r}")
        return False
    print("ok", name)
    return True


main()

"""The table of the specification: what it names is there, and nothing of the specification is missing from it."""

import inspect
import re
from typing import Any, get_type_hints

import click
import pytest

import holdfast
from holdfast.cli.main import cli
from holdfast.config import client_variables, variables
from holdfast.service.manager import SecretsService
from holdfast.telemetry.table import METRICS
from holdfast.web.v1.table import OPERATIONS
from tests.support.reference import ROOT

TEXT = (ROOT / "docs" / "specification.md").read_text()
ROWS = re.findall(r"^\| (?!the specification|---)(.+?) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)

SECTIONS = [
    *("Features", "Architecture", "Quick start", "Usage", "Metrics", "Security best practices", "Database schema"),
    *("Troubleshooting", "Migration from hardcoded secrets", "Performance considerations", "Compliance", "Support"),
    "Not done",
]
METHODS = [
    *("initialize", "getSecret", "setSecret", "deleteSecret", "recoverSecret", "purgeSecret", "rotateSecret"),
    *("scheduleRotation", "executeScheduledRotations", "grantAccess", "checkAccess", "revokeAccess"),
    *("getSecretVersion", "listSecretVersions", "checkExpiringSecrets", "getSecretHealth", "getAccessHistory"),
    *("warmCache", "invalidateCache", "createSecretsService"),
]
SPECIFIED_METRICS = [
    *("keyvault_connected", "redis_connected", "get_success", "get_failure", "get_duration_ms", "set_success"),
    *("set_failure", "cache_hit", "cache_miss", "rotation_success", "rotation_failure"),
    *("circuit_breaker_opened", "circuit_breaker_closed"),
]
ENVIRONMENT = [
    *("AZURE_KEYVAULT_NAME", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "REDIS_URL"),
    *("FALLBACK_ENCRYPTION_KEY", "DATABASE_URL", "SECRET_CACHE_TTL", "SECRET_ROTATION_CHECK_INTERVAL"),
]
COLUMNS = {
    "secrets_vault": "id secret_name encrypted_value iv auth_tag metadata version enabled expires_at created_at "
    "updated_at created_by updated_by",
    "secret_access_logs": "id secret_name user_id operation success error_message ip_address user_agent timestamp",
    "secret_rotation_schedule": "id secret_name rotation_policy last_rotated_at next_rotation_at rotation_count "
    "created_at updated_at",
    "secret_access_control": "id secret_name user_id permissions granted_by granted_at expires_at",
}
FRAMEWORKS = ["SOC 2", "ISO 27001", "HIPAA", "PCI DSS", "GDPR"]


def spans(column: int) -> list[str]:
    return [span for row in ROWS for span in re.findall(r"`([^`]+)`", row[column])]


def test_every_part_of_the_specification_has_a_row() -> None:
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE) == SECTIONS
    specified = "\n".join(row[0] for row in ROWS)
    named = [*METHODS, *(f"secrets.{metric}" for metric in SPECIFIED_METRICS), *ENVIRONMENT, *FRAMEWORKS]
    assert [name for name in named if name not in specified] == []
    assert [number for number in range(1, 11) if f"\n{number}. " not in f"\n{specified}"] == []
    columns = {f"{table}.{column}" for table, names in COLUMNS.items() for column in names.split()}
    assert columns <= set(spans(1))
    assert len(ROWS) > 90


def test_every_row_names_what_does_it_and_a_test() -> None:
    for row in ROWS:
        assert re.search("`[^`]+`", row[1]), row
        assert re.fullmatch("`[^`]+`", row[2]), row


@pytest.mark.parametrize("named", sorted(set(spans(2))))
def test_every_test_exists(named: str) -> None:
    path, _, name = named.partition("::")
    text = (ROOT / "tests" / path).read_text()
    assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)


@pytest.mark.parametrize("named", sorted(set(spans(1))))
def test_what_does_it_exists(named: str) -> None:
    kinds = [exists for exists in (_command, _call, _route, _metric, _setting, _column, _file) if exists(named)]
    assert kinds, f"there is no {named!r}"


def _command(named: str) -> bool:
    first, *rest = named.split()
    if first != "holdfast" or not rest:
        return False
    command: click.Command = cli
    words = [word for word in rest if not word.startswith("--")]
    for word in words:
        if not isinstance(command, click.Group) or word not in command.commands:
            return False
        command = command.commands[word]
    known = {option for param in command.params for option in param.opts}
    return all(word in known for word in rest if word.startswith("--"))


def _call(named: str) -> bool:
    found = re.fullmatch(r"(?:service\.)?([\w.]+)\(\)", named)
    if found is None:
        return False
    thing: Any = SecretsService if named.startswith("service.") else holdfast
    for word in found[1].split("."):
        thing = getattr(thing, word, None)
        if isinstance(thing, property):
            thing = get_type_hints(thing.fget)["return"]
    return inspect.isfunction(thing)


def _route(named: str) -> bool:
    return any(named == f"{each.method} {each.path}" for each in OPERATIONS)


def _metric(named: str) -> bool:
    return named in {metric.shown for metric in METRICS}


def _setting(named: str) -> bool:
    return named in {each.name for each in (*variables(), *client_variables())}


def _column(named: str) -> bool:
    table, _, column = named.partition(".")
    schema = (ROOT / "src" / "holdfast" / "stores" / "postgres" / "sql" / "schema.sql").read_text()
    found = re.search(rf"^CREATE TABLE {table} \((.*?)^\)", schema, re.MULTILINE | re.DOTALL)
    return found is not None and re.search(rf"^ +{column} ", found[1], re.MULTILINE) is not None


def _file(named: str) -> bool:
    if named.startswith("make "):
        return f"\n{named.removeprefix('make ')}:" in (ROOT / "Makefile").read_text()
    return "/" in named and (ROOT / named).is_file()

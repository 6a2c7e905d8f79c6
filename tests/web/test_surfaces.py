"""Key Vault's surface and our own give the same decision for the same question, and put it on record alike."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from holdfast import errors
from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate
from holdfast.crypto.keyring import generate_key
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.web.errors import RENDERINGS
from holdfast.web.v1.problems import status_of
from tests.support.folders import short_folder
from tests.support.https import Client, Response
from tests.support.installation import Installation, installed
from tests.support.postgres import fresh_database

V = "?api-version=7.4"
UNKNOWN = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Question:
    """The same question, asked on both surfaces, and the error that answers it; None for success."""

    vault: tuple[str, str]
    own: tuple[str, str]
    error: type[errors.HoldfastError] | None
    body: object = None


def read(name: str, error: type[errors.HoldfastError] | None) -> Question:
    return Question(("GET", f"/secrets/{name}{V}"), ("GET", f"/v1/secrets/{name}"), error)


def deletion(method: str, name: str, suffix: str, error: type[errors.HoldfastError] | None) -> Question:
    path = f"{name}{suffix}"
    return Question((method, f"/deletedsecrets/{path}{V}"), (method, f"/v1/deleted-secrets/{path}"), error)


QUESTIONS = {
    "readable": read("m-plain", None),
    "in another case": read("M-Plain", None),
    "absent": read("m-absent", errors.SecretNotFound),
    "disabled": read("m-disabled", errors.SecretDisabled),
    "deleted": read("m-deleted", errors.SecretNotFound),
    "expired": read("m-expired", errors.SecretOutsideValidity),
    "not yet valid": read("m-early", errors.SecretOutsideValidity),
    "forbidden": read("other-plain", errors.AccessDenied),
    "forbidden and absent": read("other-absent", errors.AccessDenied),
    "no name": read("m_underscore", errors.InvalidInput),
    "absent version": Question(
        ("GET", f"/secrets/m-plain/{UNKNOWN}{V}"),
        ("GET", f"/v1/secrets/m-plain/versions/{UNKNOWN}"),
        errors.VersionNotFound,
    ),
    "versions": Question(("GET", f"/secrets/m-plain/versions{V}"), ("GET", "/v1/secrets/m-plain/versions"), None),
    "set over a deleted one": Question(
        ("PUT", f"/secrets/m-deleted{V}"), ("PUT", "/v1/secrets/m-deleted"), errors.SecretDeleted, {"value": "x"}
    ),
    "set forbidden": Question(
        ("PUT", f"/secrets/other-plain{V}"), ("PUT", "/v1/secrets/other-plain"), errors.AccessDenied, {"value": "x"}
    ),
    "set too long": Question(
        ("PUT", f"/secrets/m-plain{V}"), ("PUT", "/v1/secrets/m-plain"), errors.InvalidInput, {"value": "x" * 25_601}
    ),
    "set to no value": Question(
        ("PUT", f"/secrets/m-plain{V}"), ("PUT", "/v1/secrets/m-plain"), errors.InvalidInput, {}
    ),
    "delete forbidden": Question(
        ("DELETE", f"/secrets/other-plain{V}"), ("DELETE", "/v1/secrets/other-plain"), errors.AccessDenied
    ),
    "delete absent": Question(
        ("DELETE", f"/secrets/m-absent{V}"), ("DELETE", "/v1/secrets/m-absent"), errors.SecretNotFound
    ),
    "deleted facts": deletion("GET", "m-deleted", "", None),
    "deleted facts of a live one": deletion("GET", "m-plain", "", errors.SecretNotFound),
    "recover forbidden": deletion("POST", "other-gone", "/recover", errors.AccessDenied),
    "recover a live one": deletion("POST", "m-plain", "/recover", errors.SecretNotFound),
    "purge under protection": deletion("DELETE", "m-deleted", "", errors.PurgeProtected),
    "purge forbidden": deletion("DELETE", "other-gone", "", errors.AccessDenied),
    "backup forbidden": Question(
        ("POST", f"/secrets/other-plain/backup{V}"), ("POST", "/v1/secrets/other-plain/backup"), errors.AccessDenied
    ),
}


@pytest.fixture(scope="module")
async def protected(postgres_server: EmbeddedPostgres, certificate: ServerCertificate) -> AsyncIterator[Installation]:
    """An installation with purge protection, and secrets in every state."""
    with short_folder() as folder:
        async with fresh_database(postgres_server.dsn) as dsn:
            settings = Settings(database_url=dsn, encryption_key=generate_key(), data_dir=folder, purge_protection=True)
            async with installed(settings, certificate) as installation:
                await _furnish(installation)
                yield installation


async def _furnish(installation: Installation) -> None:
    service = installation.service
    for name in ("m-plain", "m-deleted", "other-plain", "other-gone"):
        await service.set_secret(name, "x")
    await service.set_secret("m-disabled", "x", enabled=False)
    await service.set_secret(
        "m-expired", "x", expires_at=datetime(2001, 1, 1, tzinfo=UTC), refuse_outside_validity=True
    )
    await service.set_secret("m-early", "x", not_before=datetime(2099, 1, 1, tzinfo=UTC), refuse_outside_validity=True)
    for name in ("m-deleted", "other-gone"):
        await service.delete_secret(name)


@pytest.fixture(scope="module")
async def asker(protected: Installation) -> Client:
    """A client that may do everything to half of the secrets."""
    return await protected.client("asker", await protected.register("asker", pattern="m-*"))


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_i7_both_surfaces_answer_alike(protected: Installation, asker: Client, question: Question) -> None:
    vault = await asker.request(*question.vault, question.body)
    own = await asker.request(*question.own, question.body)
    if question.error is None:
        assert (vault.status, own.status) == (200, 200)
    else:
        shown, status = RENDERINGS[question.error], status_of(question.error.__new__(question.error))
        assert (vault.status, vault.codes) == (shown.status, (shown.code, shown.inner_code))
        assert (own.status, own.problem["code"]) == (status, question.error.code)
    assert await _records(protected, vault) == await _records(protected, own)


async def _records(installation: Installation, answer: Response) -> list[tuple[object, ...]]:
    """What is on record of the request that was answered."""
    connection = await asyncpg.connect(installation.settings.database_url)
    try:
        found = await connection.fetch(
            "SELECT user_id, secret_name, operation, success, error_code FROM secret_access_logs WHERE request_id = $1",
            answer.header("x-request-id") or answer.header("x-ms-request-id"),
        )
    finally:
        await connection.close()
    return [tuple(each) for each in found]

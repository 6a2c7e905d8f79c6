"""The table of what Key Vault's answers say, and the texts of connections that are never made."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_exceptions import ConnectionTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from holdfast.stores.keyvault.faults import connection_fault
from holdfast.stores.keyvault.verdicts import Judgement, Kind, Verdict, judge
from tests.support.scripted_vault import ScriptedVault

WHOLE = {Verdict.AWAY, Verdict.THROTTLED, Verdict.UNKNOWN_TO_IT}

SURE, SUSPECTED = True, False
ROWS = [
    (Kind.READ, 404, "SecretNotFound", "", Verdict.ABSENT, SURE),
    (Kind.READ, 404, "", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.READ, 404, "ResourceGroupNotFound", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.READ, 404, "VaultNotFound", "", Verdict.AWAY, SUSPECTED),
    (Kind.READ, 403, "Forbidden", "SecretDisabled", Verdict.DISABLED, SURE),
    (Kind.READ, 403, "Forbidden", "ForbiddenByRbac", Verdict.REFUSED, SUSPECTED),
    (Kind.READ, 403, "Forbidden", "", Verdict.REFUSED, SUSPECTED),
    (Kind.READ, 403, "", "", Verdict.REFUSED, SUSPECTED),
    (Kind.READ, 403, "Forbidden", "ForbiddenByFirewall", Verdict.AWAY, SUSPECTED),
    (Kind.WRITE, 403, "Forbidden", "ForbiddenByConnection", Verdict.AWAY, SUSPECTED),
    (Kind.WRITE, 403, "Forbidden", "ForbiddenByPolicy", Verdict.REFUSED, SUSPECTED),
    (Kind.WRITE, 403, "Forbidden", "SecretManagedByKeyVault", Verdict.REFUSED, SURE),
    (Kind.WRITE, 403, "Forbidden", "VaultIsReadOnly", Verdict.AWAY, SURE),
    (Kind.PURGE, 403, "Forbidden", "", Verdict.REFUSED, SURE),
    (Kind.PURGE, 403, "Forbidden", "ForbiddenByRbac", Verdict.REFUSED, SUSPECTED),
    (Kind.WRITE, 409, "Conflict", "ObjectIsDeletedButRecoverable", Verdict.DELETED, SURE),
    (Kind.WRITE, 409, "Conflict", "ObjectIsBeingPurged", Verdict.SETTLING, SURE),
    (Kind.WRITE, 409, "Conflict", "ObjectIsBeingFuture", Verdict.SETTLING, SURE),
    (Kind.WRITE, 409, "Conflict", "", Verdict.SETTLING, SURE),
    (Kind.WRITE, 409, "Conflict", "Novelty", Verdict.REFUSED, SURE),
    (Kind.WRITE, 400, "BadParameter", "", Verdict.REFUSED, SURE),
    (Kind.READ, 400, "BadParameter", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.WRITE, 413, "RequestEntityTooLarge", "", Verdict.REFUSED, SURE),
    (Kind.WRITE, 400, "", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.WRITE, 302, "", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.READ, 408, "", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.READ, 500, "InternalServerError", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.WRITE, 503, "ServiceUnavailable", "", Verdict.UNREADABLE, SUSPECTED),
    (Kind.READ, 429, "Throttled", "", Verdict.THROTTLED, SUSPECTED),
    (Kind.WRITE, 429, "Throttled", "", Verdict.THROTTLED, SUSPECTED),
    (Kind.READ, 401, "Unauthorized", "", Verdict.UNKNOWN_TO_IT, SUSPECTED),
]


@pytest.mark.parametrize(("kind", "status", "code", "inner", "verdict", "certain"), ROWS)
def test_each_row(kind: Kind, status: int, code: str, inner: str, verdict: Verdict, certain: bool) -> None:
    assert judge(kind, status, code, inner) == Judgement(verdict, certain)


CODES = st.sampled_from(sorted({code for row in ROWS for code in (row[2], row[3])})) | st.text(max_size=12)


@given(st.sampled_from(Kind), st.integers(300, 599), CODES, CODES)
def test_every_answer_has_a_verdict_and_the_vault_is_only_blamed_for_what_names_it(
    kind: Kind, status: int, code: str, inner: str
) -> None:
    found = judge(kind, status, code, inner)
    named = {"ForbiddenByFirewall", "ForbiddenByConnection", "VaultNotFound", "VaultDisabled"} & {code, inner}
    if found.verdict in WHOLE:
        assert found.certain is (kind is not Kind.READ and "ReadOnly" in code + inner)
        assert status in {401, 429} or named or "ReadOnly" in code + inner
    if found.verdict is Verdict.ABSENT:
        assert (status, code) == (404, "SecretNotFound")


async def test_what_keeps_a_connection_from_being_made_is_told_by_kind(tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        refused = vault.url.replace(vault.url.rsplit(":", 1)[1], "1")
        cases = [
            (vault.url, None, "untrusted", "not trusted"),
            (vault.url.replace("127.0.0.1", "localhost"), vault.ca_file, "untrusted", "another name"),
            ("https://nobody.invalid", None, "name", "not known to DNS"),
            (refused, None, "refused", "the connection fails (ConnectionRefusedError)"),
        ]
        for url, ca_file, kind, text in cases:
            fault = connection_fault(await failure(url, ca_file))
            assert fault.kind == kind, fault
            assert text in fault.text


async def failure(url: str, ca_file: Path | None) -> Exception:
    context = ssl.create_default_context(cafile=ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.get(url)
    return caught.value


def timed_out() -> Exception:
    """What aiohttp raises when a connection is not made in time."""
    error = ConnectionTimeoutError()
    error.__cause__ = asyncio.CancelledError()
    return error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ssl.SSLError(1, "x"), "tls", "TLS fails"),
        (TimeoutError(), "silent", "no sign"),
        (timed_out(), "silent", "no sign"),
        (ConnectionResetError(), "refused", "before TLS is agreed"),
        (OSError(), "refused", "the connection fails"),
    ],
)
def test_the_rest_of_the_kinds(error: Exception, kind: str, text: str) -> None:
    fault = connection_fault(error)
    assert fault.kind == kind
    assert text in fault.text

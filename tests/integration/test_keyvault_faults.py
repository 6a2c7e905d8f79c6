"""Everything that can go wrong between us and Key Vault: the typed error it becomes, and how often we asked."""

import asyncio
import email.utils
import gc
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.extras import to_add
from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    HoldfastError,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    StartupError,
    Throttled,
    TransitionPending,
    VaultRefusal,
)
from holdfast.ports import Vault, VaultVersion
from holdfast.stores.keyvault import open_key_vault
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.errors import retry_after_s
from holdfast.stores.keyvault.inspection import look_at
from tests.support.scripted_vault import CLIENT_SECRET, ScriptedVault

NAME = SecretName("db-password")
CANARY = "canary-5f2c-value"
MARKER = Marker(7, uuid4())


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture
async def scripted(server: ScriptedVault) -> ScriptedVault:
    server.reset()
    server.model.set(NAME, CANARY, Attributes())
    return server


@pytest.fixture
async def vault(scripted: ScriptedVault) -> AsyncIterator[Vault]:
    store = scripted.connect(connect_timeout_s=1.0, read_timeout_s=0.5)
    yield store
    await store.aclose()


async def write(vault: Vault, value: str = CANARY) -> VaultVersion:
    return await vault.set(NAME, SecretValue(value), Attributes(), MARKER)


async def listed(vault: Vault) -> list[VaultVersion]:
    return [entry async for entry in vault.versions(NAME) if isinstance(entry, VaultVersion)]


def exactly(error: pytest.ExceptionInfo[Any], kind: type[HoldfastError]) -> None:
    """The very class, its text free of values and credentials, and nothing of the SDK shown behind it."""
    assert error.type is kind or (kind is BackendUnavailable and error.type.__name__ == "_TimedOut")
    assert CANARY not in str(error.value)
    assert CLIENT_SECRET not in str(error.value)
    assert error.value.__suppress_context__


def html(status: int = 200) -> dict[str, Any]:
    return {"status": status, "body": b"<html>maintenance</html>", "content_type": "text/html"}


def change(path: str, value: Any) -> Any:
    """A fault that changes one member of the answer; "a.b" is b in a."""

    def edit(answer: Any) -> Any:
        *outer, last = path.split(".")
        inner = answer
        for key in outer:
            inner = inner[key]
        inner[last] = value
        return answer

    return {"answer": edit}


STATUSES = [
    ({"status": 401}, BackendRefused, BackendRefused),
    ({"status": 403, "code": "Forbidden", "inner": "ForbiddenByRbac"}, BackendRefused, BackendRefused),
    ({"status": 403, "code": "Forbidden", "inner": "AccessDenied"}, BackendRefused, BackendRefused),
    ({"status": 403, "code": "Forbidden"}, BackendRefused, BackendRefused),
    (html(403), BackendRefused, BackendRefused),
    ({"status": 403, "code": "Forbidden", "inner": "SecretDisabled"}, SecretDisabled, SecretDisabled),
    ({"status": 404, "code": "SecretNotFound"}, SecretNotFound, SecretNotFound),
    (html(404), BackendUnavailable, BackendUnavailable),
    ({"status": 404, "code": "ResourceGroupNotFound"}, BackendUnavailable, BackendUnavailable),
    ({"status": 408}, BackendUnavailable, OutcomeUnknown),
    ({"status": 409, "code": "Conflict", "inner": "ObjectIsDeletedButRecoverable"}, SecretDeleted, SecretDeleted),
    ({"status": 409, "code": "Conflict", "inner": "ObjectIsBeingDeleted"}, TransitionPending, TransitionPending),
    ({"status": 409, "code": "Conflict", "inner": "ObjectIsBeingRecovered"}, TransitionPending, TransitionPending),
    ({"status": 409, "code": "Conflict"}, TransitionPending, TransitionPending),
    ({"status": 409, "code": "Conflict", "inner": "ObjectIsBeingPurged"}, TransitionPending, TransitionPending),
    ({"status": 409, "code": "Conflict", "inner": "Novelty"}, NameRefused, VaultRefusal),
    ({"status": 400, "code": "BadParameter"}, BackendUnavailable, VaultRefusal),
    (html(400), BackendUnavailable, BackendUnavailable),
    ({"status": 405, "code": "MethodNotAllowed"}, BackendUnavailable, VaultRefusal),
    ({"status": 403, "code": "Forbidden", "inner": "SecretManagedByKeyVault"}, NameRefused, VaultRefusal),
    ({"status": 403, "code": "Forbidden", "inner": "ForbiddenByFirewall"}, BackendUnavailable, BackendUnavailable),
    ({"status": 429, "code": "Throttled"}, Throttled, Throttled),
    ({"status": 500}, BackendUnavailable, OutcomeUnknown),
    ({"status": 503, "headers": {"Retry-After": "1"}}, BackendUnavailable, OutcomeUnknown),
    ({"status": 302, "headers": {"Location": "http://169.254.169.254/"}}, BackendUnavailable, BackendUnavailable),
    ({"status": 201}, BackendUnavailable, OutcomeUnknown),
    (html(), BackendUnavailable, OutcomeUnknown),
]

BROKEN_ANSWERS = [
    {"drop": True},
    {"cut_after": 0},
    {"cut_after": 20},
    {"hang": True},
    {"drip": 0.7},
    {"body": b""},
    {"body": b"{"},
    {"body": b"null"},
    {"body": b"[]"},
    {"body": b"{}"},
    {"body": b"[" * 100_000},
    {"body": b'{"value":"' + b"x" * 5_000_000 + b'"}'},
    {"body": b"\x1f\x8b\x08", "headers": {"Content-Encoding": "gzip"}},
    change("id", "https://127.0.0.1/secrets/other/0123456789abcdef0123456789abcdef"),
    change("id", "https://127.0.0.1/secrets/db-password"),
    change("id", "https://127.0.0.1/secrets/db-password/../../x"),
    change("id", 7),
    change("id", None),
    change("value", None),
    change("value", 7),
    change("value", {"a": 1}),
    change("value", "x" * (2**20 + 1)),
    change("attributes", None),
    change("attributes", []),
    change("attributes.enabled", None),
    change("attributes.enabled", "yes"),
    change("attributes.created", None),
    change("attributes.updated", "yesterday"),
    change("attributes.exp", 1.7e9),
    change("tags", {"a": 1}),
    change("tags", ["a"]),
    change("contentType", 5),
]


def named(fault: object) -> str:
    if not isinstance(fault, dict):
        return getattr(fault, "__name__", "")
    return "-".join(f"{key}{'' if callable(value) else repr(value)[:25]}" for key, value in fault.items())


@pytest.mark.parametrize(("fault", "read_error", "write_error"), STATUSES, ids=named)
async def test_statuses(
    scripted: ScriptedVault,
    vault: Vault,
    fault: dict[str, Any],
    read_error: type[HoldfastError],
    write_error: type[HoldfastError],
) -> None:
    scripted.fail("get", **fault)
    with pytest.raises(read_error) as caught:
        await vault.get(NAME)
    exactly(caught, read_error)
    scripted.fail("set", **fault)
    with pytest.raises(write_error) as caught:
        await write(vault)
    exactly(caught, write_error)
    assert (scripted.calls["get"], scripted.calls["set"]) == (1, 1)


@pytest.mark.parametrize("fault", BROKEN_ANSWERS, ids=named)
async def test_broken_answers(scripted: ScriptedVault, vault: Vault, fault: dict[str, Any]) -> None:
    """A read is unavailable, a change unknown, and either is sent once only."""
    scripted.fail("get", **fault)
    with pytest.raises(BackendUnavailable) as caught:
        await vault.get(NAME)
    exactly(caught, BackendUnavailable)
    scripted.fail("set", **fault)
    with pytest.raises(OutcomeUnknown) as caught:
        await write(vault)
    exactly(caught, OutcomeUnknown)
    assert "Error" not in str(caught.value), "it is told in words, and not by the name of a class"
    assert (scripted.calls["get"], scripted.calls["set"]) == (1, 1)


async def test_an_answer_beyond_any_size_is_about_its_question_alone(scripted: ScriptedVault, vault: Vault) -> None:
    enormous = b'{"value":"' + b"x" * 2**24 + b'"}'
    scripted.fail("get", body=enormous)
    with pytest.raises(NameUnavailable, match="longer than 16 MiB"):
        await vault.get(NAME)
    scripted.fail("list", body=enormous)
    with pytest.raises(NameUnavailable, match=r"list of '\*': it is longer than 16 MiB"):
        _ = [entry async for entry in vault.secrets()]
    scripted.fail("set", body=enormous)
    with pytest.raises(OutcomeUnknown):
        await write(vault)


async def test_an_answer_that_drips_for_ever_ends(scripted: ScriptedVault) -> None:
    store = scripted.connect(read_timeout_s=10.0, answer_timeout_s=1.0)
    await store.get(NAME)
    scripted.fail("get", drip=0.5)
    with pytest.raises(BackendUnavailable):
        await store.get(NAME)
    scripted.fail("list", drip=0.5)
    with pytest.raises(BackendUnavailable):
        _ = [entry async for entry in store.secrets()]
    await store.aclose()


@pytest.mark.parametrize("operation", ["update", "delete", "recover", "purge"])
@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"hang": True}], ids=named)
async def test_every_change_can_be_of_unknown_outcome(
    scripted: ScriptedVault, vault: Vault, operation: str, fault: dict[str, Any]
) -> None:
    scripted.fail(operation, **fault)
    calls = {
        "update": lambda: vault.update(NAME, scripted.model.history(NAME)[0].id, Attributes(), MARKER),
        "delete": lambda: vault.delete(NAME),
        "recover": lambda: vault.recover(NAME),
        "purge": lambda: vault.purge(NAME),
    }
    with pytest.raises(OutcomeUnknown) as caught:
        await calls[operation]()
    exactly(caught, OutcomeUnknown)
    assert scripted.calls[operation] == 1


@pytest.mark.parametrize("operation", ["delete", "recover"])
async def test_an_acknowledgement_of_another_secret_is_none(
    scripted: ScriptedVault, vault: Vault, operation: str
) -> None:
    if operation == "recover":
        scripted.model.delete(NAME)
    scripted.fail(operation, **change("id", "https://127.0.0.1/secrets/other/0123456789abcdef0123456789abcdef"))
    with pytest.raises(OutcomeUnknown):
        await getattr(vault, operation)(NAME)


async def test_a_lost_answer_is_found_again_by_its_marker(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.fail("set", drop=True, applied="once")
    with pytest.raises(OutcomeUnknown):
        await write(vault)
    assert [version.marker for version in await listed(vault) if version.marker] == [MARKER]


async def test_a_change_applied_late_or_twice_shows_in_the_versions(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.fail("set", drop=True, applied="late")
    scripted.fail("set", drop=True, applied="twice")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await write(vault)
    assert scripted.apply_late() == 1
    assert len([version for version in await listed(vault) if version.marker == MARKER]) == 3


async def test_a_refused_connection_was_never_sent(scripted: ScriptedVault, vault: Vault) -> None:
    await vault.get(NAME)
    async with scripted.refusing():
        for call in (vault.get(NAME), write(vault), vault.delete(NAME)):
            with pytest.raises(BackendUnavailable) as caught:
                await call
            exactly(caught, BackendUnavailable)
    assert (await vault.get(NAME)).value is not None


async def test_cancelling_a_hanging_call_leaves_the_store_usable(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.fail("get", hang=True, times=3)
    await asyncio.gather(*(_cancelled(vault) for _ in range(3)))
    assert (await vault.get(NAME)).value is not None


async def _cancelled(vault: Vault) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await vault.get(NAME)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), ("0", 0, 0), ("86400", 60, 60), ("999999999999", 60, 60), (86_400.0, 60, 60), (30.0, 5, 31)],
)
async def test_retry_after_is_kept_to_within_reason(
    scripted: ScriptedVault, vault: Vault, header: str | float, low: float, high: float
) -> None:
    if isinstance(header, float):  # that many seconds from now, as a date
        header = email.utils.formatdate(time.time() + header, usegmt=True)
    scripted.fail("get", status=429, headers={"Retry-After": header})
    with pytest.raises(Throttled) as caught:
        await vault.get(NAME)
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


@pytest.mark.parametrize(
    "header",
    [None, "", "-1", "1.5", "nan", "inf", "soon", "٣", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 1970"],
)
def test_retry_after_nonsense_is_none(header: str | None) -> None:
    assert retry_after_s(header) is None


async def test_read_only_failover_answers_reads_and_fails_writes(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.model.read_only = True
    assert (await vault.get(NAME)).value is not None
    with pytest.raises(BackendUnavailable):
        await write(vault)
    assert len(scripted.model.history(NAME)) == 1


async def test_purge_protection_is_no_outage(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.model.purge_protection = True
    await vault.delete(NAME)
    with pytest.raises(VaultRefusal, match="protected"):
        await vault.purge(NAME)


async def test_deleting_does_not_wait_for_the_vault_to_settle(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.model.settle_s = 3600
    async with asyncio.timeout(30):
        await vault.delete(NAME)
    assert not await vault.is_deleted(NAME)
    for call in (write(vault), vault.purge(NAME), vault.recover(NAME)):
        with pytest.raises(TransitionPending):
            await call
    assert scripted.calls["deleted"] == 1


async def test_a_foreign_edit_has_no_marker(scripted: ScriptedVault, vault: Vault) -> None:
    await write(vault)
    scripted.model.set(NAME, "edited in the portal", Attributes(tags={MARKER_TAG: "junk"}))
    assert (await vault.get(NAME)).marker is None
    assert {version.marker for version in await listed(vault)} == {None, MARKER}


@pytest.mark.parametrize("fault", [{"status": 500}, {"hang": True}, change("value", None), html()], ids=named)
async def test_a_broken_page_is_unavailable(scripted: ScriptedVault, vault: Vault, fault: dict[str, Any]) -> None:
    scripted.fail("versions", **fault)
    with pytest.raises(BackendUnavailable):
        _ = [version async for version in vault.versions(NAME)]


# --- the token endpoint


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, BackendUnavailable),
        ({"status": 503, "body": b'{"error":"temporarily_unavailable"}'}, BackendUnavailable),
        ({"drop": True}, BackendUnavailable),
        ({"hang": True}, BackendUnavailable),
        (html(), BackendUnavailable),
        ({"body": b'{"access_token":"' + b"x" * 5_000_000 + b'"}'}, BackendUnavailable),
        ({"body": b"{}"}, BackendUnavailable),
        ({"status": 302, "headers": {"Location": "http://169.254.169.254/"}}, BackendUnavailable),
        ({"status": 429, "headers": {"Retry-After": "5"}, "body": b'{"error":"slow_down"}'}, Throttled),
        ({"status": 400, "body": b'{"error":"invalid_request"}'}, BackendRefused),
    ],
    ids=named,
)
async def test_token_failures_are_backend_failures_and_nothing_was_sent(
    scripted: ScriptedVault, vault: Vault, fault: dict[str, Any], error: type[HoldfastError]
) -> None:
    scripted.fail("token", **fault)
    with pytest.raises(error) as caught:
        await write(vault)
    exactly(caught, error)
    assert (scripted.calls["token"], scripted.calls["set"]) == (1, 0)
    assert (await write(vault)).marker == MARKER


async def test_a_wrong_client_secret_is_refused(scripted: ScriptedVault) -> None:
    store = scripted.connect(client_secret="wrong-but-secret")
    with pytest.raises(BackendRefused) as caught:
        await store.get(NAME)
    await store.aclose()
    exactly(caught, BackendRefused)
    assert "wrong-but-secret" not in str(caught.value)


async def test_a_slow_token_outlives_the_patience_of_the_first_read(scripted: ScriptedVault) -> None:
    store = scripted.connect(read_timeout_s=10.0)
    scripted.fail("token", drip=0.002)
    await _cancelled_quickly(store)
    async with asyncio.timeout(10):
        assert (await store.get(NAME)).value is not None
    await store.aclose()
    assert scripted.calls["token"] == 1


async def _cancelled_quickly(vault: Vault) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await vault.get(NAME)


async def test_many_first_calls_share_one_token(scripted: ScriptedVault) -> None:
    store = scripted.connect()
    try:
        await asyncio.gather(*(store.get(NAME) for _ in range(50)))
    finally:
        await store.aclose()
    assert scripted.calls["token"] <= 2
    assert scripted.calls["get"] == 50


async def test_a_revoked_token_is_replaced_at_once(scripted: ScriptedVault, vault: Vault) -> None:
    await vault.get(NAME)
    scripted.revoke_tokens()
    await asyncio.gather(*(vault.get(NAME) for _ in range(20)))
    assert scripted.calls["token"] <= 3


# --- TLS and set-up


async def test_every_request_speaks_the_chosen_api_version(scripted: ScriptedVault) -> None:
    scripted.api_versions.clear()
    store = scripted.connect(api_version="7.5")
    for number in range(30):
        scripted.model.set(f"s-{number}", "x", Attributes())
    written = await write(store)
    await store.update(NAME, written.vault_version_id, Attributes(expires_at=datetime(2099, 1, 1, tzinfo=UTC)), MARKER)
    await store.update(NAME, written.vault_version_id, Attributes(), MARKER)
    _ = await store.get(NAME), [entry async for entry in store.secrets()], [each async for each in store.versions(NAME)]
    await store.delete(NAME)
    _ = await store.is_deleted(NAME), [entry async for entry in store.deleted_secrets()]
    await store.recover(NAME)
    await store.delete(NAME)
    await store.purge(NAME)
    await store.aclose()
    assert scripted.api_versions == {"7.5"}
    await look_at(scripted.url, Access(ca_file=scripted.ca_file, api_version="7.6"))
    assert scripted.api_versions == {"7.5", "7.6"}


async def test_an_unknown_authority_is_not_trusted(scripted: ScriptedVault, tmp_path: Path) -> None:
    store = scripted.connect(ca_file=None)
    with pytest.raises(BackendUnavailable, match="certificate is not trusted") as caught:
        await store.get(NAME)
    await store.aclose()
    exactly(caught, BackendUnavailable)


async def test_tls_below_1_3_is_refused(server: ScriptedVault) -> None:
    async with ScriptedVault(newest_tls=ssl.TLSVersion.TLSv1_2) as old:
        store = old.connect()
        with pytest.raises(BackendUnavailable) as caught:
            await write(store)
        await store.aclose()
        exactly(caught, BackendUnavailable)
        assert not old.calls


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
async def test_an_unusable_ca_file_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(StartupError, match=r"ca\.pem"):
        open_key_vault("https://127.0.0.1:1", Access(ca_file=ca_file))


def test_without_the_extra_holdfast_imports_and_says_what_is_missing() -> None:
    script = (
        "import sys; sys.modules.update({'azure': None, 'aiohttp': None})\n"
        "import holdfast, holdfast.errors, holdfast.stores.keyvault as keyvault\n"
        "try: keyvault.open_key_vault('https://v.vault.azure.net', keyvault.Access())\n"
        "except holdfast.errors.StartupError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert to_add("azure") in done.stdout


async def test_a_managed_identity_works_and_its_outage_is_one(
    scripted: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{scripted.url}/managed-identity")
    monkeypatch.setenv("IDENTITY_HEADER", CLIENT_SECRET)
    store = open_key_vault(scripted.url, Access(ca_file=scripted.ca_file))
    scripted.fail("token", status=503)
    with pytest.raises(BackendUnavailable) as caught:
        await store.get(NAME)
    exactly(caught, BackendUnavailable)
    assert scripted.calls["token"] == 1
    assert (await store.get(NAME)).value is not None
    await store.aclose()


async def test_closing_leaves_nothing_open(scripted: ScriptedVault) -> None:
    store = scripted.connect()
    await store.get(NAME)
    await store.aclose()
    del store
    gc.collect()  # an unclosed session or transport would warn, and warnings are errors

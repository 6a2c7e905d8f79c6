"""Every error has its answer, and only those that a retry can mend invite one."""

import inspect
from collections.abc import Iterator

import pytest

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.web.errors import RENDERINGS, rendering_of
from tests.web.conftest import Stubbed

PATH = "/secrets/a1?api-version=7.4"

ABSENT = (errors.SecretNotFound, errors.IdentityNotFound, errors.TokenNotFound, errors.RequestNotFound)


def raised() -> Iterator[HoldfastError]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, HoldfastError) and kind is not HoldfastError:
            yield _made(kind)


def _made(kind: type[HoldfastError]) -> HoldfastError:
    if kind is errors.ConfigurationError:
        return kind(["marked-detail"])
    return kind("marked-detail", reason="full") if issubclass(kind, errors.StartupDelayed) else kind("marked-detail")


def test_every_error_of_the_tree_is_in_the_table() -> None:
    missing = {type(error).__name__ for error in raised() if type(error) not in RENDERINGS}
    assert not missing


def test_what_was_never_meant_to_be_raised_is_an_internal_error() -> None:
    assert rendering_of(ValueError("x")).status == 500
    assert rendering_of(HoldfastError("x")).status == 500


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("error", [*raised(), ValueError("marked-detail")], ids=lambda error: type(error).__name__)
async def test_errors_are_answered_in_json(stubbed: Stubbed, error: Exception, method: str) -> None:
    stubbed.service.error = error
    answer = await stubbed.client.request(method, PATH)
    expected = rendering_of(error)
    assert (answer.status, answer.codes) == (expected.status, (expected.code, expected.inner_code))
    invites = answer.header("retry-after")
    assert (invites is not None) == (answer.status in {429, 503})
    assert invites is None or 1 <= int(invites) <= 60
    if type(error) is errors.RotationFailed:  # anyone who may rotate is told why
        assert b"marked-detail" in answer.body
    elif answer.status >= 500:
        assert b"marked-detail" not in answer.body
    if answer.status == 401:
        assert answer.header("www-authenticate")


@pytest.mark.parametrize(("asked", "told"), [(None, "2"), (0.2, "1"), (7.1, "8"), (86_400.0, "60")])
async def test_a_throttled_client_is_told_when_to_come_back(stubbed: Stubbed, asked: float | None, told: str) -> None:
    stubbed.service.error = errors.Throttled("x", retry_after_s=asked)
    answer = await stubbed.client.request("GET", PATH)
    assert (answer.status, answer.codes, answer.header("retry-after")) == (429, ("Throttled", None), told)


async def test_an_internal_errors_log_has_no_text_of_it(stubbed: Stubbed, caplog: pytest.LogCaptureFixture) -> None:
    stubbed.service.error = ValueError("marked-secret")
    answer = await stubbed.client.request("GET", PATH)
    assert "marked-secret" not in caplog.text
    assert str(answer.header("x-ms-request-id")) in caplog.text
    assert "ValueError" in caplog.text


async def test_outages_are_never_a_404(stubbed: Stubbed) -> None:
    for error in raised():
        stubbed.service.error = error
        answer = await stubbed.client.request("GET", PATH)
        assert (answer.status == 404) == isinstance(error, ABSENT)


@pytest.mark.parametrize(
    ("error", "inner"), [(errors.PurgeProtected("x"), None), (errors.AccessDenied("x"), "ForbiddenByRbac")]
)
async def test_75_purge_protection_is_no_matter_of_permissions(
    stubbed: Stubbed, error: HoldfastError, inner: str | None
) -> None:
    stubbed.service.error = error
    answer = await stubbed.client.request("DELETE", "/deletedsecrets/a?api-version=7.4")
    assert (answer.status, answer.codes) == (403, ("Forbidden", inner))
    assert answer.header("retry-after") is None


@pytest.mark.parametrize(
    ("status", "vault_code", "told"),
    [
        (403, "ForbiddenByPolicy", (403, ("Forbidden", "ForbiddenByPolicy"))),
        (403, "Forbidden", (403, ("Forbidden", None))),
        (409, "ObjectIsDeletedButRecoverable", (409, ("Conflict", "ObjectIsDeletedButRecoverable"))),
        (400, "BadParameter", (400, ("BadParameter", None))),
        (404, "SecretNotFound", (404, ("SecretNotFound", None))),
        (401, "Unauthorized", (400, ("Unauthorized", None))),
        (700, "Odd", (400, ("Odd", None))),
    ],
)
async def test_key_vaults_own_refusal_is_handed_on(
    stubbed: Stubbed, status: int, vault_code: str, told: tuple[int, tuple[str, str | None]]
) -> None:
    stubbed.service.error = errors.VaultRefusal("Key Vault refuses it.", status=status, vault_code=vault_code)
    answer = await stubbed.client.request("DELETE", PATH)
    assert (answer.status, answer.codes) == told
    own = await stubbed.client.request("GET", "/v1/secrets/a1")
    assert (own.status, own.problem["code"]) == (told[0], "rejected")

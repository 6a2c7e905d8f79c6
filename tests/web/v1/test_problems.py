"""Every error becomes a problem, by the table that Key Vault's surface goes by as well."""

import inspect
from collections.abc import Iterator

import pytest

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.keyvault_wire import requests, routes
from holdfast.web import limits
from holdfast.web.errors import RENDERINGS, rendering_of
from holdfast.web.v1.problems import code_of, status_of
from tests.web.conftest import Stubbed
from tests.web.test_errors import raised


def kinds() -> Iterator[type[HoldfastError]]:
    """Every class of error that a request can end with."""
    for module in (errors, limits, routes, requests):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, HoldfastError) and kind is not HoldfastError:
                yield kind


def test_every_error_is_in_the_table_and_has_a_code_of_its_own() -> None:
    assert {kind for kind in kinds() if kind not in RENDERINGS} == set()
    codes = {kind.code for kind in kinds()}
    assert len(codes) == len({kind for kind in kinds() if "code" in vars(kind)})


@pytest.mark.parametrize("error", [*raised(), ValueError("marked-detail")], ids=lambda error: type(error).__name__)
async def test_errors_are_problems(stubbed: Stubbed, error: Exception) -> None:
    stubbed.service.error = error
    answer = await stubbed.client.request("GET", "/v1/secrets/a1")
    problem = answer.problem
    assert (answer.status, problem["code"]) == (status_of(error), code_of(error))
    assert problem["type"] == f"urn:holdfast:error:{problem['code']}"
    assert problem["retryable"] is getattr(error, "retryable", False)
    assert (answer.header("retry-after") is not None) == (answer.status in {429, 503})
    if type(error) is errors.RotationFailed:  # anyone who may rotate is told why
        assert b"marked-detail" in answer.body
    elif answer.status >= 500:
        assert b"marked-detail" not in answer.body


def test_i7_only_a_failed_precondition_has_another_status_here() -> None:
    different = {
        kind.__name__ for kind in kinds() if status_of(kind.__new__(kind)) != rendering_of(kind.__new__(kind)).status
    }
    assert different == {"GenerationMismatch"}


async def test_an_internal_errors_log_has_no_text_of_it(stubbed: Stubbed, caplog: pytest.LogCaptureFixture) -> None:
    stubbed.service.error = ValueError("marked-secret")
    answer = await stubbed.client.request("GET", "/v1/secrets/a1")
    assert answer.problem["code"] == "internal"
    assert "marked-secret" not in caplog.text
    assert str(answer.header("x-request-id")) in caplog.text


async def test_one_item_of_a_batch_that_breaks_breaks_no_other(stubbed: Stubbed) -> None:
    stubbed.service.error = ValueError("marked-secret")
    answer = await stubbed.client.request("POST", "/v1/secrets:batch-get", {"items": [{"name": "a"}, {"name": "b"}]})
    assert [(each["status"], each["problem"]["code"]) for each in answer.json["items"]] == [(500, "internal")] * 2
    assert b"marked-secret" not in answer.body

import pytest

from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.routes import MethodNotAllowed, NoSuchPath, Operation, Route, SecretsOnly, route
from tests.support.vectors import vectors

VECTORS = vectors("keyvault/routes.json")


@pytest.mark.parametrize(("method", "path", "operation", "name", "version"), VECTORS["routes"])
def test_what_clients_send_is_understood(
    method: str, path: str, operation: str, name: str, version: str | None
) -> None:
    assert route(method, path.encode()) == Route(Operation(operation), name, version)


@pytest.mark.parametrize(("method", "path"), VECTORS["not_allowed"])
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str) -> None:
    with pytest.raises(MethodNotAllowed, match=f"^HTTP {method} not allowed$") as refused:
        route(method, path.encode())
    assert refused.value.allowed
    assert method not in refused.value.allowed


@pytest.mark.parametrize(("method", "path"), VECTORS["no_such_path"])
def test_other_paths_lead_nowhere(method: str, path: str) -> None:
    with pytest.raises(NoSuchPath):
        route(method, path.encode())


@pytest.mark.parametrize(("method", "path"), VECTORS["secrets_only"])
def test_clients_of_keys_and_certificates_are_told_that_there_are_none(method: str, path: str) -> None:
    with pytest.raises(SecretsOnly, match="secrets only"):
        route(method, path.encode())


@pytest.mark.parametrize(("method", "path"), VECTORS["invalid"])
def test_impossible_names_and_versions_are_bad_input(method: str, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        route(method, path.encode())
    assert refused.value.field in {"name", "version"}


def test_all_operations_have_a_route() -> None:
    assert {operation for _, _, operation, _, _ in VECTORS["routes"]} == set(Operation)

"""The routes, from the operations: which ones a path has."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from holdfast.contract import clock, compliance, doctor, keys, notices
from holdfast.keyvault_wire.routes import MethodNotAllowed, NoSuchPath
from holdfast.web.v1 import (
    access,
    audit,
    authorisation,
    break_glass,
    client_credentials,
    identities,
    lifecycle,
    node,
    rotation,
    secrets,
    totp,
)
from holdfast.web.v1.operation import Operation
from holdfast.web.v1.parameters import parameter
from holdfast.web.v1.rows import operations_of

OPERATIONS: Final = (
    *secrets.OPERATIONS,
    *lifecycle.OPERATIONS,
    *rotation.OPERATIONS,
    *access.OPERATIONS,
    *client_credentials.OPERATIONS,
    *authorisation.OPERATIONS,
    *identities.OPERATIONS,
    *totp.OPERATIONS,
    *break_glass.OPERATIONS,
    *audit.OPERATIONS,
    *node.OPERATIONS,
    *operations_of(clock.ROWS),
    *operations_of(compliance.ROWS),
    *operations_of(doctor.ROWS),
    *operations_of(keys.ROWS),
    *operations_of(notices.ROWS),
)

_PARAMETER: Final = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, slots=True)
class Match:
    """The operations of a path, by method, and its parameters, decoded once."""

    operations: Mapping[str, Operation]
    path: Mapping[str, str]

    def operation(self, method: str) -> Operation:
        """Return the operation of a method.

        Raises:
            MethodNotAllowed: the path has none; the error names those it has.
        """
        if method not in self.operations:
            raise MethodNotAllowed(method, tuple(sorted(self.operations)))
        return self.operations[method]


class Table:
    """Finds operations. What is fixed in a path must be there to the letter; only parameters are decoded."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        self._routes = [(_expression(path), methods) for path, methods in by_path.items()]

    def find(self, raw_path: bytes) -> Match:
        """Return what a path has.

        Raises:
            NoSuchPath: nothing.
            InvalidInput: a parameter cannot be one.
        """
        for expression, methods in self._routes:
            found = expression.fullmatch(raw_path)
            if found is not None:
                return Match(methods, {name: parameter(name, raw) for name, raw in found.groupdict().items()})
        raise NoSuchPath("There is nothing at this path; /v1/openapi.json lists what there is.")


def _expression(path: str) -> re.Pattern[bytes]:
    return re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(path)).encode())

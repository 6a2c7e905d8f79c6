"""The tables of the documents, made from the tables that the code uses. ``make docs`` writes them.

A table stands between ``<!-- NAME -->`` and ``<!-- end -->``.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from holdfast import errors
from holdfast.cli.exits import MEANINGS, ending_of
from holdfast.config import client_variables, source_variables, variables
from holdfast.domain.policy import Permission
from holdfast.domain.roles import ROLES, Role
from holdfast.keyvault_wire import requests, routes
from holdfast.resilience.events import Event
from holdfast.stores.keyvault.entra import REASONS
from holdfast.web import limits
from holdfast.web.errors import rendering_of
from holdfast.web.v1.problems import code_of, status_of
from tests.conformance import generators, table
from tests.proof.matrix import page

ROOT: Final = Path(__file__).parents[2]

_BLOCK: Final = re.compile(r"(<!-- ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

MOST_USED: Final = (
    *("AZURE_KEYVAULT_NAME", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
    *("DATABASE_URL", "FALLBACK_ENCRYPTION_KEY", "REDIS_URL", "SECRET_CACHE_TTL"),
    "HOLDFAST_DATA_DIR",
)


def settings(names: Sequence[str] = ()) -> str:
    """Every setting, or some of them."""
    rows = [
        (f"`{each.name}`", each.meaning, each.default or "-") for each in variables() if not names or each.name in names
    ]
    return _table(("variable", "meaning", "default"), rows)


def client_settings() -> str:
    """The settings of commands that talk to a server."""
    return _table(("variable", "meaning"), [(f"`{each.name}`", each.meaning) for each in client_variables()])


def source_settings() -> str:
    """The settings of imports."""
    return _table(("variable", "meaning"), [(f"`{each.name}`", each.meaning) for each in source_variables()])


def exit_codes() -> str:
    """The exit codes of the command line."""
    return _table(("code", "meaning"), [(str(code), meaning) for code, meaning in MEANINGS.items()])


def kinds(kind: type[errors.HoldfastError] = errors.HoldfastError) -> Iterator[type[errors.HoldfastError]]:
    """Every error of ``errors.py``, in the order of its tree, without the base."""
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from kinds(child)


def error_codes() -> str:
    """Every error, with what the command line and the two APIs make of it."""
    columns = ("code", "class", "again?", "exit code", "Key Vault's API", "`/v1`", "what it says")
    return _table(columns, [_error_row(kind) for kind in dict.fromkeys(kinds())])


def roles() -> str:
    """Every role as the set of its permissions."""
    rows = [(f"`{role}`", *("yes" if each in ROLES[role] else "-" for each in Permission)) for role in Role]
    return _table(("role", *(f"`{each}`" for each in Permission)), rows)


def request_errors() -> str:
    """Every error of the server's own: about requests, not about secrets."""
    kinds_of_requests = (
        kind
        for module in (routes, requests, limits)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, errors.HoldfastError) and kind.__module__ == module.__name__
    )
    found = sorted((kind.__new__(kind) for kind in kinds_of_requests), key=lambda error: (status_of(error), error.code))
    rows = [
        (f"`{error.code}`", str(status_of(error).value), "yes" if error.retryable else "no", _meaning(type(error)))
        for error in found
    ]
    return _table(("code", "status", "again?", "what it says"), rows)


def token_errors() -> str:
    """Every code of Entra that is told with its meaning."""
    rows = [(f"`AADSTS{code}`", what, mend) for code, (what, mend) in REASONS.items()]
    return _table(("code", "what it means", "what to do"), rows)


def events() -> str:
    """Everything that is logged."""
    rows = [(f"`{each.id}`", logging.getLevelName(each.level).lower(), _worded(each.text)) for each in Event]
    return _table(("event", "level", "text"), rows)


def _worded(text: str) -> str:
    """The text of an event with its facts in capitals."""
    return re.sub(r"%\((\w+)\)[.\d]*[a-z]", lambda found: found[1].upper(), text).replace("\n", " ")


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings,
    "most-used-settings": lambda: settings(MOST_USED),
    "client-settings": client_settings,
    "source-settings": source_settings,
    "exit-codes": exit_codes,
    "error-codes": error_codes,
    "roles": roles,
    "request-errors": request_errors,
    "token-errors": token_errors,
    "events": events,
    "clients": lambda: _table(table.COLUMNS, list(table.rows())),
    "fault-matrix": lambda: _table(page.COLUMNS, list(page.rows())),
    "generated-clients": lambda: _table(generators.COLUMNS, list(generators.rows())),
}


def with_tables(text: str) -> str:
    """Return a document with its tables as they should be."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def documents() -> list[Path]:
    """All documents for people."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _error_row(kind: type[errors.HoldfastError]) -> tuple[str, ...]:
    error = kind.__new__(kind)
    shown = rendering_of(error)
    inner = f" {shown.inner_code}" if shown.inner_code else ""
    return (
        *(f"`{code_of(error)}`", f"`{kind.__name__}`", "yes" if kind.retryable else "no"),
        *(str(ending_of(error).code), f"{shown.status.value} {shown.code}{inner}", str(status_of(error).value)),
        _meaning(kind),
    )


def _meaning(kind: type[errors.HoldfastError]) -> str:
    return (kind.__doc__ or "").split("\n")[0].replace("``", "`")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for document in documents():
        document.write_text(with_tables(document.read_text()))

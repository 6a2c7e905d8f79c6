"""The query string: api-version and page size."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from holdfast.errors import InvalidInput

NEWEST_API_VERSION: Final = "2026-04-01"
"""The default of azure-keyvault-secrets 4.12."""

MAX_PAGE_SIZE: Final = 25
"""Items; default and maximum of Key Vault's ``maxresults``."""

MAX_QUERY_FIELDS: Final = 32

_NUMBERED: Final = re.compile(r"7\.[0-6](-preview(\.[0-9])?)?", re.ASCII)
_DATED: Final = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])-[0-3][0-9](-preview)?", re.ASCII)
_FIRST_DATED: Final = "2025-06-01"


@dataclass(frozen=True, slots=True)
class Query:
    """The parts of a query string that mean something here; others are ignored as Key Vault ignores them."""

    api_version: str
    max_results: int | None = None
    skip_token: str | None = None

    @property
    def page_size(self) -> int:
        """Items per page at most."""
        return self.max_results or MAX_PAGE_SIZE


@lru_cache(maxsize=256)
def parse_query(raw: bytes) -> Query:
    """Return the checked query. Names may be percent-encoded: the JavaScript SDK sends ``api%2Dversion``.

    Raises:
        InvalidInput: no api-version or an unknown one, or a page size outside 1 to 25.
    """
    fields = query_fields(raw)
    return Query(
        _api_version(fields.get("api-version")), _max_results(fields.get("maxresults")), fields.get("$skiptoken")
    )


def query_fields(raw: bytes) -> dict[str, str]:
    """Return the parameters of a query string, their names in lower case.

    Raises:
        InvalidInput: there are too many, or one has two values.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise InvalidInput(f"The query string holds more than {MAX_QUERY_FIELDS} fields.", field="query") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        if fields.setdefault(name.lower(), value) != value:
            raise InvalidInput("A query parameter is given twice with different values.", field="query")
    return fields


def _api_version(given: str | None) -> str:
    if not given:
        raise InvalidInput(
            f"The query parameter api-version is missing; add ?api-version={NEWEST_API_VERSION}.", field="api-version"
        )
    dated = _DATED.fullmatch(given) and given >= _FIRST_DATED
    if dated or given == "2016-10-01" or _NUMBERED.fullmatch(given):
        return given
    raise InvalidInput(
        f"The specified api-version is not recognized; the newest supported one is {NEWEST_API_VERSION}.",
        field="api-version",
    )


def _max_results(given: str | None) -> int | None:
    if given is None:
        return None
    if given.isascii() and given.isdigit() and len(given) <= 2 and 1 <= int(given) <= MAX_PAGE_SIZE:
        return int(given)
    raise InvalidInput(f"maxresults must be a whole number from 1 to {MAX_PAGE_SIZE}.", field="maxresults")

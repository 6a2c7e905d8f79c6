"""Which secrets a pattern covers, of those that may be listed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from holdfast.domain.names import SecretName, matches
from holdfast.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.domain.policy import Caller
    from holdfast.service.manager import SecretsService

_PAGE: Final = 1000


async def covered(
    service: "SecretsService", caller: "Caller", patterns: "Sequence[str]", *, field: str
) -> list[SecretName]:
    """Return the secrets that patterns cover, in order. Without patterns, no permission to list is needed.

    Raises:
        InvalidInput: one covers nothing; ``field`` is what asked for it.
    """
    listed = [each.name async for each in listed_by(service.list_secrets, caller)] if patterns else []
    found: set[SecretName] = set()
    for pattern in patterns:
        names = {name for name in listed if matches(pattern, name)}
        if not names:
            raise InvalidInput(f"{pattern} covers no secret that may be listed here.", field=field)
        found |= names
    return sorted(found)


async def listed_by(page: Callable[..., Awaitable[list[Any]]], caller: "Caller") -> AsyncIterator[Any]:
    """Yield all that one of the service's listings has, page by page."""
    after = None
    while found := await page(after=after, limit=_PAGE, context=caller):
        for each in found:
            yield each
        after = found[-1].name
        if len(found) < _PAGE:
            return

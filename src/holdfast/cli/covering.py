"""Which secrets a pattern covers, of those that may be listed."""

from typing import TYPE_CHECKING, Final

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
    listed = await _listed(service, caller) if patterns else []
    found: set[SecretName] = set()
    for pattern in patterns:
        names = {name for name in listed if matches(pattern, name)}
        if not names:
            raise InvalidInput(f"{pattern} covers no secret that may be listed here.", field=field)
        found |= names
    return sorted(found)


async def _listed(service: "SecretsService", caller: "Caller") -> list[SecretName]:
    names: list[SecretName] = []
    while page := await service.list_secrets(after=names[-1] if names else None, limit=_PAGE, context=caller):
        names += [each.name for each in page]
    return names

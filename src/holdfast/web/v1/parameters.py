"""What stands in paths in the place of a name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec

from holdfast.errors import InvalidInput
from holdfast.v1_wire.client_credentials import CredentialName
from holdfast.v1_wire.documents import Identity, Name, Version

VersionText = Annotated[str, msgspec.Meta(pattern="^(?:[1-9][0-9]{0,17}|[0-9A-Fa-f]{32})$")]
"""Text, not a choice of number and text: that would be a type of its own in every generated client."""

PATH_PARAMETERS: Final[Mapping[str, tuple[Any, str]]] = MappingProxyType(
    {
        "name": (Name, "A secret's name: 1 to 127 characters out of 0-9, a-z, A-Z and '-'; case is not significant."),
        "version": (VersionText, "A version: its number, or its id of 32 hex digits."),
        "client_id": (Identity, "A client's id."),
        "credential": (CredentialName, "The name of a client's credential."),
        "identity": (Identity, "An identity's name."),
        "number": (Version, "The number of a request for emergency access, or of a set of recovery codes."),
        "token_id": (UUID, "A token's id, a UUID, which is not the token."),
    }
)
"""Type and meaning of each."""


def parameter(name: str, raw: bytes) -> str:
    """Return a parameter, decoded once.

    Raises:
        InvalidInput: it cannot be one. It is not repeated: it may be a value in the wrong place.
    """
    kind, meaning = PATH_PARAMETERS[name]
    try:
        text = unquote_to_bytes(raw).decode()
        msgspec.convert(version_of(text) if kind is Version else text, kind)
    except (UnicodeDecodeError, msgspec.ValidationError):
        raise InvalidInput(
            f"{name} in the path is not valid. It is {meaning[0].lower()}{meaning[1:]}", field=name
        ) from None
    return text


def version_of(text: str) -> int | str:
    """Return a version as the service takes it: a number, or what is to be an id of 32 hex digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text

"""Headers that tell what Key Vault's JSON has no place for. Its clients ignore them."""

from collections.abc import Iterator

from holdfast.domain.secret import DeletedSecret, Secret, WriteResult
from holdfast.web.exchange import RawHeaders


def read_marks(secret: Secret) -> RawHeaders:
    """Where an answer came from, and what is the matter with it, if anything."""
    return (
        (b"x-holdfast-source", secret.source.encode()),
        (b"x-holdfast-version", str(secret.version).encode()),
        *_warnings(secret),
    )


def write_marks(result: WriteResult | DeletedSecret) -> RawHeaders:
    """Whether Key Vault has the change already."""
    return ((b"x-holdfast-replicated", b"true" if result.replicated else b"false"),)


def _warnings(secret: Secret) -> Iterator[tuple[bytes, bytes]]:
    states = (
        (secret.expired, b"expired", b"the secret has expired"),
        (secret.not_yet_valid, b"not-yet-valid", b"the secret is not valid yet"),
        (secret.stale, b"stale", b"the vault could not confirm that this is current"),
    )
    for applies, mark, text in states:
        if applies:
            yield (b"x-holdfast-" + mark, b"true")
            yield (b"warning", b'299 holdfast "' + text + b'"')

"""How much one server process takes at a time. Every worker has these budgets for itself."""

from dataclasses import dataclass

from holdfast.config import Settings

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """What all clients of a process share.

    ``connections`` and ``handshakes``: open at a time, and TLS handshakes in progress. ``requests``: being answered at
    a time. ``body_bytes``: bytes of request bodies in memory. One holder, which is an identity, or an address before
    an identity is proven, gets half of the requests and of the bytes at most.
    """

    connections: int = 6_000
    handshakes: int = 256
    requests: int = 256
    body_bytes: int = 96 * MIB

    @classmethod
    def of(cls, settings: Settings) -> "Budgets":
        """Return the budgets that settings give."""
        return cls(
            connections=settings.max_connections,
            handshakes=settings.max_handshakes,
            requests=settings.max_requests,
            body_bytes=settings.body_memory * MIB,
        )

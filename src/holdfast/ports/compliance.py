"""What evidence is made of: the answers to named queries, and what else can be looked at."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from holdfast.ports.inspection import CertificateFacts


class Queries(Protocol):
    """The queries of a compliance report, by name. None of them writes."""

    async def ask(self, query: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows that a query finds, by column."""


class Surroundings(Protocol):
    """What of the settings and files of the answering node belongs into a report."""

    def certificate(self) -> CertificateFacts | None:
        """The server's own certificate; None: this node serves nobody over TLS."""

    def settings(self) -> Mapping[str, str]:
        """Facts by name, each empty where there is nothing: ``keyvault`` and ``redis`` (how they are spoken to),
        ``retention`` (how long records are kept), ``checkpoints`` (by what kind of stream they leave)."""

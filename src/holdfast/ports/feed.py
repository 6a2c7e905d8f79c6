"""News of what was committed."""

from typing import Protocol

from holdfast.domain.names import SecretName


class FeedListener(Protocol):
    """What a node does about commits, its own and others'.

    All it is told was read from rows. An announcement says where to look, and nothing more: anybody may make one up.
    """

    async def resynchronise(self) -> None:
        """Commits may have been missed: forget what could be outdated and load what must be known."""

    def secrets_missed(self) -> None:
        """Any secret may have been changed: compare whatever is kept before it is answered."""

    async def secret_changed(self, name: SecretName, revision: int) -> None:
        """A secret is at this revision, and may have been changed."""

    async def secret_absent(self, name: SecretName, revision: int) -> None:
        """There was no secret of this name when this revision was the last given out: purged, or never there."""

    async def timeline_reached(self, timeline: str, revision: int) -> None:
        """The timeline of the database and the highest revision it has given out, as they are now.

        Another timeline, or a lower revision: committed changes may be lost, in a failover or by a restore.
        """

    async def rules_reached(self, epoch: int) -> None:
        """The epoch of all rules as it is now: another one than the known means that rules were changed."""

    async def identities_reached(self, epoch: int) -> None:
        """The epoch of all identities, their groups, tokens and client secrets as it is now, likewise."""

    async def key_activated(self, activation: int, key_id: str) -> None:
        """This key seals from now on, or still: it is told again and again.

        ``activation``: grows with every activation; news may come late, and older news does not count.
        """


class Feed(Protocol):
    """Tells this node at once what other nodes committed."""

    async def start(self, listener: FeedListener) -> None:
        """Listen from now on."""

    async def stop(self) -> None:
        """Stop listening."""

    def live(self) -> bool:
        """Whether every commit up to a second ago has been delivered: caches may be trusted."""

    def seconds_since_contact(self) -> float:
        """Seconds since PostgreSQL last answered this node; the age of the grants it holds."""

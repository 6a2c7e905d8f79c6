"""A database, a mail server and a receiver, and nodes that tell people through them."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.domain.notices import Event, Topic
from tests.support.mail import Mailbox
from tests.support.node import Inside, opened, rows
from tests.support.receivers import Receiver

ADA, BOB = "ada@example.com", "bob@example.com"
KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


@dataclass
class World:
    """What there is."""

    dsn: str
    folder: Path
    box: Mailbox
    receiver: Receiver
    ca_file: Path

    @property
    def settings(self) -> dict[str, Any]:
        """What a node needs to reach everybody."""
        return {
            "smtp_url": f"smtp://127.0.0.1:{self.box.port}",
            "mail_from": "holdfast@corp.example",
            "notice_channels": (("siem", f"webhook:{self.receiver.origin}/hook#{KEY}"),),
            "notice_targets": (self.receiver.origin,),
            "notice_ca": self.ca_file,
        }

    @property
    def environ(self) -> dict[str, str]:
        """The same, for a process."""
        return {
            "HOLDFAST_SMTP_URL": f"smtp://127.0.0.1:{self.box.port}",
            "HOLDFAST_MAIL_FROM": "holdfast@corp.example",
            "HOLDFAST_NOTICE_CHANNELS": f"siem=webhook:{self.receiver.origin}/hook#{KEY}",
            "HOLDFAST_NOTICE_TARGETS": self.receiver.origin,
            "HOLDFAST_NOTICE_CA": str(self.ca_file),
        }

    @asynccontextmanager
    async def node(self, **more: Any) -> AsyncIterator[Inside]:
        """A node with nothing in the background."""
        async with opened(self.dsn, self.folder, **{**self.settings, **more}) as inside:
            yield inside

    async def make_due(self) -> None:
        """Let pauses and leases pass."""
        await rows(self.dsn, "UPDATE notices SET next_attempt_at = now(), lease_until = NULL WHERE state = 'waiting'")

    @property
    def told(self) -> Counter[str]:
        """How often each was told of what: ``who topic``; by mail, by its headline."""
        mails = Counter(f"{to} {message['Subject']}" for to, message in self.box.taken)
        return mails + Counter(f"siem {each['type']}" for each in self.receiver.documents)


async def deliver(*nodes: Inside) -> int:
    """Let all lanes of all nodes deliver at the same time; returns how many notices were taken up."""
    return sum(await asyncio.gather(*(way.deliver() for node in nodes for way in node.parts.notices.lanes.values())))


def happened(number: int, topic: Topic = Topic.KEYS) -> Event:
    """Something to tell of."""
    return Event(id=f"{topic}:{number}", topic=topic, subject="ring", facts={"summary": f"Event {number}"})

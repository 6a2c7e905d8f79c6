"""Mail, over verified TLS."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from holdfast.domain.notices import Notice
from holdfast.errors import BackendUnavailable, Rejected
from holdfast.notify.mail_bodies import html_body, text_body
from holdfast.notify.messages import Composer

_TIMEOUT_S: Final = 25.0
"""For a whole delivery; shorter than the patience of whoever sends."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FOR_GOOD: Final = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Who takes mail. ``implicit_tls``: TLS from the first byte, rather than after STARTTLS."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the server of ``smtps://…`` (TLS, port 465) or ``smtp://…`` (STARTTLS, port 587)."""
        parts = urlsplit(url)
        implicit = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (465 if implicit else 587),
            implicit_tls=implicit,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    @property
    def needs_starttls(self) -> bool | None:
        """Whether nothing goes on before STARTTLS; None: it is used if offered, by a relay on this very machine."""
        if self.implicit_tls:
            return False
        return None if self.host in _LOOPBACK and self.user is None else True


class Mail:
    """Implements ``ports.Channel`` for e-mail addresses.

    Args:
        sender: the address that mail comes from.
        ca_file: a PEM file of further CAs that may vouch for the server.
    """

    def __init__(self, server: MailServer, sender: str, composer: Composer, *, ca_file: Path | None = None) -> None:
        self._server, self._sender, self._composer, self._ca_file = server, sender, composer, ca_file

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        """See the port."""
        await self.send_to(recipient, recipient, notices)

    def to(self, address: str) -> "MailTo":
        """Return the channel that is this one address."""
        return MailTo(self, address)

    async def send_to(self, address: str, recipient: str, notices: Sequence[Notice]) -> None:
        """Send what a recipient is to get to an address."""
        server, message = self._server, self._message(address, recipient, notices)
        try:
            await aiosmtplib.send(
                message,
                sender=self._sender,
                recipients=[address],
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.implicit_tls,
                start_tls=server.needs_starttls,
                tls_context=self._context(),
                timeout=_TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _failure(server, error) from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    def _message(self, address: str, recipient: str, notices: Sequence[Notice]) -> EmailMessage:
        composed, message = self._composer.message(recipient, notices), EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, address, composed.subject
        message["Date"] = format_datetime(self._composer.now())
        message["Message-ID"] = f"<{composed.id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies to this
        if composed.urgent:
            message["Importance"] = "high"
        message.set_content(text_body(composed))
        message.add_alternative(html_body(composed), subtype="html")
        return message


class MailTo:
    """A channel that is one e-mail address."""

    def __init__(self, mail: Mail, address: str) -> None:
        self._mail, self._address = mail, address

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        """See the port."""
        await self._mail.send_to(self._address, recipient, notices)


def _failure(server: MailServer, error: Exception) -> BackendUnavailable | Rejected:
    """What the server says of a recipient or a message is for good; what it says of us may be mended there."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
    named = f"The mail server {server.host}"
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError) and code in _FOR_GOOD:
        what = "recipient" if isinstance(error, aiosmtplib.SMTPRecipientRefused) else "message"
        return Rejected(f"{named} refuses the {what} ({code}).")
    return BackendUnavailable(f"{named} did not take the message ({code or type(error).__name__}).")

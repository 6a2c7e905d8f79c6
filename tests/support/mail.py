"""A real mail server, over TLS, that keeps what it takes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

USER, PASSWORD = "holdfast", "m4il p@ss/word"


class Mailbox:
    """Takes mail. ``refusals``: answers to recipients; ``answer``: to a whole message, if it is not taken."""

    def __init__(self, *, implicit_tls: bool = False) -> None:
        self._implicit_tls = implicit_tls
        self.refusals: dict[str, str] = {}
        self.answer: str | None = None
        self.taken: list[tuple[str, EmailMessage]] = []
        self.logins: list[tuple[bool, bytes]] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - the name and the arguments that the server calls it with
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """A recipient is named."""
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """A message is here."""
        if self.answer is not None:
            return self.answer
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken += [(address, message) for address in envelope.rcpt_tos]
        return "250 OK"

    def authenticate(self, _server: Any, session: Any, *arguments: Any) -> AuthResult:
        """Somebody logs in."""
        data = arguments[-1]
        assert isinstance(data, LoginPassword)
        self.logins.append((self._implicit_tls or session.ssl is not None, data.password))
        return AuthResult(success=(data.login.decode(), data.password.decode()) == (USER, PASSWORD), handled=False)


@asynccontextmanager
async def mail_server(
    context: ssl.SSLContext | None, *, implicit_tls: bool = False, starttls: bool = True, login: bool = False
) -> AsyncIterator[Mailbox]:
    """A running server on loopback."""
    box, asks_for_tls = Mailbox(implicit_tls=implicit_tls), starttls and not implicit_tls

    def protocol() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            tls_context=context if asks_for_tls else None,
            require_starttls=asks_for_tls,
            authenticator=box.authenticate if login else None,
            auth_required=login and asks_for_tls,
            auth_require_tls=asks_for_tls,
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if implicit_tls else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()

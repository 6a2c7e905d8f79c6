"""One message, over a connection of its own."""

import ssl
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from holdfast.outbound.targets import PublicAddresses, origin_of, permitted

TIMEOUT_S: Final = 30.0
"""For one message with its answer, a lookup of the address included; half of what a step of a rotation may take."""


class NoAnswerError(Exception):
    """A message was sent, or not, and nothing came back. The text is the host and the kind of fault."""


async def post(
    url: str, body: bytes, headers: Mapping[str, str], allowed: Collection[str] = (), *, ca_file: Path | None = None
) -> int:
    """Send a message and return the status of the answer, of whose body nothing is read. Redirects are answers.

    Args:
        url: https on port 443 at public addresses, or at one of the ``allowed`` origins.
        body: of the message.
        headers: of the message.
        allowed: origins that may be called although they are private, or not https on port 443.
        ca_file: a PEM file of further CAs that may vouch for the receiver.

    Raises:
        ValueError: the URL may not be called; the text says why, as the rest of a sentence.
        NoAnswerError: there was no answer within the time.
    """
    target = permitted(url, allowed)
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    resolver = None if origin_of(target) in allowed else PublicAddresses()
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, ssl=context, force_close=True),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.post(target.geturl(), data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise NoAnswerError(f"{target.hostname} gave no answer ({type(error).__name__}).") from None

"""One message, over a connection of its own."""

import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from holdfast.outbound.targets import PublicAddresses, origin_of, permitted
from holdfast.ports import carried

TIMEOUT_S: Final = 30.0
"""For one message with its answer, a lookup of the address included; half of what a step of a rotation may take."""

LONGEST_ANSWER: Final = 1 << 20
"""Bytes read of an answer, where it is read at all."""


class NoAnswerError(Exception):
    """A message was sent, or not, and nothing came back. The text is the host and the kind of fault."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


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
    return (await call("POST", url, body, headers, allowed, ca_file=ca_file, longest=0)).status


async def call(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    allowed: Collection[str] = (),
    *,
    ca_file: Path | None = None,
    longest: int = LONGEST_ANSWER,
) -> Answer:
    """As ``post``, with any method, and with up to ``longest`` bytes of the answer.

    Raises:
        ValueError: the URL may not be called; the text says why, as the rest of a sentence.
        NoAnswerError: there was no answer within the time.
    """
    target, told = permitted(url, allowed), {**headers, **carried()}
    resolver = None if origin_of(target) in allowed else PublicAddresses()
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, ssl=_trust(ca_file), force_close=True),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.request(method, target.geturl(), data=body, headers=told, allow_redirects=False) as answer,
        ):
            return Answer(answer.status, await _read(answer, longest))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise NoAnswerError(f"{target.hostname} gave no answer ({type(error).__name__}).") from None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


async def _read(answer: aiohttp.ClientResponse, longest: int) -> bytes:
    read = bytearray()
    while len(read) < longest and (part := await answer.content.read(longest - len(read))):
        read += part
    return bytes(read)

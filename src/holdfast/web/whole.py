"""Answers written in one piece.

Over ASGI an answer comes as a head and a body, which uvicorn writes one after the other: two TLS records and two
system calls, and a check of each header by regular expressions. Where the protocol offers it, an answer that is
complete takes this shorter way, and ends its request exactly as uvicorn's own ``send`` does.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

WHOLE: Final = "holdfast.whole"
"""The ASGI extension under which the protocol offers it."""

DELIVERY: Final = "holdfast.delivery"
"""The ASGI extension under which the protocol tells whether an answer could be handed over to the system."""

Watch = Callable[[Callable[[], None]], None]
"""Takes what to call if it cannot."""

Headers = Sequence[tuple[bytes, bytes]]
WriteWhole = Callable[[int, tuple[tuple[bytes, bytes], ...], Headers, bytes], bool]
"""Status, headers that all answers share, further ones, and body; False when the answer has to go over ASGI."""


def write_whole(
    cycle: RequestResponseCycle, status: int, shared: tuple[tuple[bytes, bytes], ...], headers: Headers, body: bytes
) -> bool:
    """Answer the request of a cycle at once, unless it may not have a body or the client does not keep up.

    Raises:
        ValueError: a header with a line end in it.
    """
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return False
    own = _lines((*cycle.default_headers, *headers, *(() if cycle.keep_alive else _CLOSE)))
    cycle.transport.write(b"".join((STATUS_LINE[status], _shared_lines(shared), own, b"\r\n", body)))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


_CLOSE: Final = ((b"connection", b"close"),)


def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if not lines.count(b"\n") == lines.count(b"\r") == len(headers):
        raise ValueError("a header of an answer has a line end in it")
    return lines


_shared_lines: Final = lru_cache(maxsize=8)(_lines)

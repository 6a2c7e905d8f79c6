"""Sealed streams: data of any length, sealed piece by piece, of which nothing can be left out.

+------------+----------+--------------+----------+
| length     | nonce    | ciphertext   | tag      |   for each piece; the length is that of its plaintext
| 4 bytes    | 12 bytes | up to 256 KiB| 16 bytes |
+------------+----------+--------------+----------+

The associated data of a piece are the stream's context, the piece's number, and whether it is the last: pieces that
are left out, doubled, exchanged, taken from another stream, or missing at the end do not authenticate (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015, with the counter beside the nonce instead of in it).
"""

from collections.abc import Callable, Iterator
from typing import Final, final

from holdfast.crypto.aead import NONCE_BYTES, TAG_BYTES, Aead
from holdfast.crypto.binding import frame
from holdfast.crypto.keyring import derive
from holdfast.errors import IntegrityFailure

PIECE_BYTES: Final = 256 * 1024
_LENGTH_BYTES: Final = 4

_CUT: Final = "The sealed stream ends too early: it was cut short, or never finished."
_LAST: Final = "The last piece of the sealed stream does not authenticate: the stream was altered, or cut short."
_ALTERED: Final = "The sealed stream was altered: a piece does not authenticate, or comes in another's place."


@final
class StreamSealer:
    """Seals what is written, under a key that seals this stream and nothing else.

    Args:
        write: takes the sealed bytes.
        context: what the stream is bound to; must be repeated to open it.
    """

    def __init__(self, key: bytes, context: bytes, write: Callable[[bytes], object]) -> None:
        self._aead, self._context, self._write = _cipher(key), context, write
        self._waiting, self._number = bytearray(), 0

    def write(self, data: bytes) -> None:
        """Take some more of the stream."""
        self._waiting += data
        while len(self._waiting) > PIECE_BYTES:  # a full last piece waits: only `finish` knows that it is the last
            piece = bytes(self._waiting[:PIECE_BYTES])
            del self._waiting[:PIECE_BYTES]
            self._seal(piece, last=False)

    def finish(self) -> None:
        """Seal what waits as the end of the stream."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        bound = _bound(self._context, self._number, last=last)
        self._write(b"".join((len(piece).to_bytes(_LENGTH_BYTES, "big"), *self._aead.seal(piece, bound))))
        self._number += 1


def opened(key: bytes, context: bytes, read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the pieces of a stream, each once it has authenticated. ``read`` gives so many bytes, fewer at the end.

    Only after the last piece is it certain that nothing is missing: act on what came before when this has returned.

    Raises:
        IntegrityFailure: it was altered, cut short, has something behind its end, or belongs to another key or context.
    """
    aead, number, last = _cipher(key), 0, False
    length = read(_LENGTH_BYTES)
    while not last:
        if len(length) < _LENGTH_BYTES:
            raise IntegrityFailure(_CUT)
        size = int.from_bytes(length, "big")
        if size > PIECE_BYTES:
            raise IntegrityFailure(_ALTERED)
        sealed = read(NONCE_BYTES + size + TAG_BYTES)
        if len(sealed) < NONCE_BYTES + size + TAG_BYTES:
            raise IntegrityFailure(_CUT)
        length = read(_LENGTH_BYTES)
        last = not length
        yield _open(aead, sealed, _bound(context, number, last=last), last=last)
        number += 1


def _open(aead: Aead, sealed: bytes, bound: bytes, *, last: bool) -> bytes:
    try:
        return aead.open(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:], bound)
    except IntegrityFailure:
        raise IntegrityFailure(_LAST if last else _ALTERED) from None


def _cipher(key: bytes) -> Aead:
    return Aead(derive(key, "stream"))


def _bound(context: bytes, number: int, *, last: bool) -> bytes:
    return frame(b"stream", context, b"%d" % number, b"last" if last else b"more")

"""QR codes at a terminal, for what a phone is to take over. They hold a secret: they go where the secret goes."""

from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from holdfast.cli.streams import knows

EXTRA: Final = "qr"
"""The extra of the package that draws them."""

_QUIET: Final = 4
"""Light modules around the code (ISO/IEC 18004, 6.3.8)."""

_HALVES: Final = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
"""Two modules above each other in one character, which is about twice as high as it is wide; 1 is dark."""

_COLOURS: Final = "\x1b[40;97m"
"""White on black, whatever the terminal's own colours are: some readers do not take a negative."""

_RESET: Final = "\x1b[0m"


def drawn(text: str) -> list[str]:
    """Return the lines of a QR code, of the least size that holds ``text``.

    Raises:
        ImportError: the extra ``qr`` is not installed.
        ValueError: no QR code holds as much.
    """
    import segno  # noqa: PLC0415 - an optional extra

    code = segno.make_qr(text, error="l", boost_error=False)  # a screen has no dirt on it, and few lines
    rows = [tuple(row) for row in code.matrix_iter(border=_QUIET)]
    rows += [(0,) * len(rows[0])] * (len(rows) % 2)
    return [_line(upper, lower) for upper, lower in zip(rows[::2], rows[1::2], strict=True)]


def possible(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether ``stream`` is a terminal that shows colours and half blocks."""
    if stream is None or not stream.isatty() or environ.get("TERM") in {None, "", "dumb"}:
        return False
    return knows(stream, "".join(_HALVES.values()))


def fits(lines: Sequence[str], columns: int) -> bool:
    """Whether no line is longer than the terminal is wide."""
    return all(len(line.removeprefix(_COLOURS).removesuffix(_RESET)) <= columns for line in lines)


def _line(upper: Sequence[int], lower: Sequence[int]) -> str:
    return _COLOURS + "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True)) + _RESET

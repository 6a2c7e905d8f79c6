"""What is logged, as pairs of level and text."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname.lower(), record.getMessage()))


@contextmanager
def lines_of(name: str = "", level: int = logging.INFO) -> Iterator[list[tuple[str, str]]]:
    """What a logger and those below it log meanwhile at some level: all of them, unless one is named."""
    keeper, logger = _Keeper(), logging.getLogger(name)
    before = logger.level
    logger.addHandler(keeper)
    logger.setLevel(level)
    try:
        yield keeper.lines
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(before)

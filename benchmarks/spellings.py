"""Generated files that each hold one hardcoded secret: words, quotes and languages, which no rule was written from."""

import base64
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TEMPLATES: Final = Path(__file__).with_suffix(".txt")
_WORDS: Final = (
    *("password", "db password", "mail passwd", "ldap bind password", "redis pass", "admin pwd", "keystore passphrase"),
    *("api key", "maps api key", "secret key", "client secret", "app secret", "signing key", "encryption key"),
    *("access token", "bot token", "github token", "auth token", "refresh token", "webhook secret", "account key"),
)
_PLACES: Final = ("cobalt", "harbor", "maple", "otter", "quartz", "violin")
_CHARACTERS: Final = string.ascii_letters + string.digits

_STYLES: Final[dict[str, Callable[[str], str]]] = {
    "snake": lambda words: words.replace(" ", "_"),
    "UPPER": lambda words: words.replace(" ", "_").upper(),
    "kebab": lambda words: words.replace(" ", "-"),
    "dotted": lambda words: words.replace(" ", "."),
    "Pascal": lambda words: words.title().replace(" ", ""),
    "camel": lambda words: words[0] + words.title().replace(" ", "")[1:],
}
_QUOTES: Final = {"d": '"', "s": "'", "b": "`", "-": ""}


@dataclass(frozen=True, slots=True)
class Spelling:
    """A file that holds a secret."""

    name: str
    text: str
    value: str


def spellings(seed: int, each: int) -> Iterator[Spelling]:
    """Yield files, ``each`` for every template and kind of quotes, drawn again by every seed."""
    draw = random.Random(seed)  # noqa: S311 - the same files for the same seed
    for line in _TEMPLATES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, style, quotes, text = (part.strip() for part in line.split("|", 3))
        for quote in (_QUOTES[kind] for kind in quotes):
            for words in draw.sample(_WORDS, each):
                value = _value(draw, plain=not quote)
                filled = text.replace("NAME", _STYLES[style](words)).replace("VALUE", f"{quote}{value}{quote}")
                yield Spelling(name, filled.replace("\\n", "\n").replace("\\t", "\t") + "\n", value)


def _value(draw: random.Random, *, plain: bool) -> str:
    kinds = [_random, _random, _hex, _base64, _words, *([] if plain else [_symbols, _phrase])]
    return draw.choice(kinds)(draw)


def _random(draw: random.Random) -> str:
    return "".join(draw.choices(_CHARACTERS, k=draw.randint(7, 23))) + draw.choice(string.digits)


def _hex(draw: random.Random) -> str:
    return draw.randbytes(16).hex()


def _base64(draw: random.Random) -> str:
    return base64.b64encode(draw.randbytes(draw.choice((15, 24, 33)))).decode()


def _words(draw: random.Random) -> str:
    return "-".join([*draw.choices(_PLACES, k=3), str(draw.randint(10, 99))])


def _symbols(draw: random.Random) -> str:
    return "".join(draw.choices(_CHARACTERS, k=6)) + draw.choice("!@%*+") + _random(draw)


def _phrase(draw: random.Random) -> str:
    return " ".join([*draw.choices(_PLACES, k=3), str(draw.randint(2, 9))])

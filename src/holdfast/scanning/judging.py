"""Whether a name calls its value a secret, and whether the value is likelier one than not."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

MAX_LENGTH: Final = 400
"""Characters of a value that is known by its name alone."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRETS: Final = re.compile(
    r"passw(or)?d|passphrase|passcode|^pass$|requirepass|masterauth|[a-z]{2,}pass$|pwd|secret|token|credential|identified"
    r"|connection(string|str)|^salt$|api(key|token)|(access|private|secret|auth|account|license)key"
)
_PAIRS: Final = re.compile(r"connection (string|str)|conn str(ing)?|(_|basic) auth|logged in salt")

_PLACEHOLDER: Final = re.compile(
    r"change.?me|change.?it|example|placeholder|redacted|dummy|your[-_.]|xxxx|\.\.\.|\*\*\*|lorem|foo.?bar|todo|insert|replace"
    r"|os\.environ|process\.env|getenv|<[^<>]*>|^\W+$|^(.)\1+$"
    r"|^(?:my|the|some|test)?[-_ ]?(?:pass|passwd|password|passphrase|pwd|secret|token)[-_ ]?\d{0,2}$",
    re.IGNORECASE,
)
_TEMPLATE: Final = re.compile(
    r"\$[({]|^\$\w+$|^%\w+%$|\{\{|\}\}|\{%|<%|%[sdrvi@](?![A-Za-z0-9])|%[({]|\{(?:[A-Za-z_][^{}]*)?\}|\$\$\{|#\{"
    r"|^@[\w.]+@?$|^:\w+$|^!\w+|^ENC[\[(]|^vault:v\d|^encrypted:"
)
"""What a program fills in, or decrypts."""
_MARKUP: Final = re.compile(r"</|/>|&\w+;|\\[dswDSW]|\(\?|\[@|\[[a-z]|\[[0-9]|\w\([^()]*\)|^[,+(]|\|\||\\x00|\[-?\d+\]")
"""Of HTML, regular expressions and programs."""
_ESCAPE: Final = re.compile(r"\\(?:x..|u....|U........|.)")
_LETTERS: Final = re.compile(r"[A-Za-z_./:,;()#\[\]\s\"'-]*|[a-z.]{3,}@[a-z.-]{3,}")
"""What is as likely a name, a text or an address as a password."""
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://|urn:|www\.|mailto:", re.IGNORECASE)
_PATH: Final = re.compile(
    r"(?:[.~]{0,2}/|[A-Za-z]:\\|%[A-Z]+%\\)[a-z0-9_.@ -]*(?:[A-Z][a-z0-9_.@ -]+|[/\\][a-z0-9_.@ -]*)*"
    r"|[\w.-]+(?:/[\w.-]+)*\.[a-z]{2,5}"
)
_TECHNICAL: Final = re.compile(
    r"(?:[a-z]{2,6}[-_]?)?(?:sha|md|hs|rs|es|ps|aes|utf|latin|base|oauth|iso|rfc|http|argon|ed|secp|pbkdf|tls|ssl|ipv|x)"
    r"[-_]?\d{1,4}(?:[-_/.][a-z0-9]{1,8})*",
    re.IGNORECASE,
)
_CODE: Final = re.compile(
    r"[\w.]+\(.*\)?|[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)+(?:\[.*)?|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d.*|[\d.,:+-]+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z]+[0-9]{0,2}(?:[-_.:/][A-Za-z]*[0-9]{0,2})+")
_SENTENCE: Final = re.compile(r"[.:?!,]$|[.:?,;] |^\W|^[A-Z][a-z]+ [a-z]+ [a-z]")
_MOST_WORDS: Final = 6


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(tomllib.loads((files("holdfast.scanning") / "words.toml").read_text())[kind].split())


def names_a_secret(name: str) -> bool:
    """Whether a name says of its value that it is a secret."""
    words = [each.lower() for each in _WORD.findall(name)]
    telling = [each for each in words if not each.isdigit()]
    if not telling or telling[-1] in _words("about"):
        return False
    pairs = list(pairwise(telling))
    if any(second == "token" and first in _words("before_token") for first, second in pairs):
        return False
    if any(second == "key" and first in _words("before_key") for first, second in pairs):
        return True
    if _PAIRS.search(" ".join(telling)) or name.lower() == "_auth":
        return True
    return any(_SECRETS.search(each) for each in telling if each not in _words("no_secrets"))


def is_likely(value: str) -> bool:
    """Whether a value is likelier a secret than a placeholder, a name, a path or a text."""
    if len(value) > MAX_LENGTH:
        return False
    if any(each.search(value) for each in (_PLACEHOLDER, _TEMPLATE, _MARKUP)):
        return False
    plain = _ESCAPE.sub("", value)
    if any(each.fullmatch(plain) for each in (_LETTERS, _PATH, _TECHNICAL, _CODE, _DATE)) or _ADDRESS.match(value):
        return False
    if _IDENTIFIER.fullmatch(value) and names_a_secret(value):
        return False
    return " " not in value or _is_phrase(value)


def is_of_a_manual(password: str) -> bool:
    """Whether the password in an address is one that every manual has."""
    return password.lower() in _words("of_manuals")


def _is_phrase(value: str) -> bool:
    """Whether a value with blanks is a passphrase, and no sentence or code."""
    words = value.split()
    return (
        len(words) <= _MOST_WORDS
        and any(each.isdigit() for each in value)
        and not _SENTENCE.search(value)
        and not any(names_a_secret(each) for each in words)
    )

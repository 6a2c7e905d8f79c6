"""Variables of the environment: how they are described, read and found wanting."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from holdfast.resilience.windows import WINDOWS

_PREFIX: Final = "HOLDFAST_"
_KEYS: Final = {"FALLBACK_ENCRYPTION_KEY", "HOLDFAST_ENCRYPTION_KEY_FILE", "CREDENTIALS_DIRECTORY"}


@dataclass(frozen=True, slots=True)
class Variable:
    """How a setting is given. ``default`` is text for people; ``secret`` ones are never shown.

    ``shared``: a variable that many programs read, such as HTTPS_PROXY. It may be written in lower case, which counts
    first as with curl, and empty means unset.
    """

    name: str
    meaning: str
    parse: Callable[[str], object]
    default: str
    secret: bool
    shared: bool = False

    def given_in(self, environ: Mapping[str, str]) -> str | None:
        """Return its text in an environment, None if it is not set there."""
        if not self.shared:
            return environ.get(self.name)
        return environ.get(self.name.lower()) or environ.get(self.name) or None


def variable(
    name: str,
    meaning: str,
    parse: Callable[[str], object],
    *,
    default: str = "",
    secret: bool = False,
    shared: bool = False,
) -> Mapping[str, Variable]:
    """Return the metadata of a settings field that is read from the variable ``name``."""
    return {"variable": Variable(name, meaning, parse, default, secret, shared)}


def default_data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where Holdfast keeps its data when no one says otherwise."""
    environ = os.environ if environ is None else environ
    if not WINDOWS and os.geteuid() == 0:
        return Path("/var/lib/holdfast")
    data_home = environ.get("XDG_DATA_HOME", "")
    if Path(data_home).is_absolute():  # the XDG base directory specification: relative paths are to be ignored
        return Path(data_home) / "holdfast"
    return home(environ) / ".local" / "share" / "holdfast"


def home(environ: Mapping[str, str]) -> Path:
    """The home folder of the user who runs this process."""
    home = environ.get("HOME", "")
    if Path(home).is_absolute():
        return Path(home)
    if WINDOWS:
        return Path(environ.get("USERPROFILE", "C:\\"))
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:  # a container may run us under a number that has no entry
        return Path("/var/lib")


def login() -> str:
    """The login name of the user who runs this process."""
    if WINDOWS:
        return os.environ.get("USERNAME", "")
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run us under a number that has no entry
        return str(os.getuid())


def own(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that are certainly meant for Holdfast, whatever else uses the environment."""
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if name.startswith(_PREFIX)}


def names_installation(environ: Mapping[str, str]) -> bool:
    """Whether an environment names an installation on this machine: DATABASE_URL alone may be another program's."""
    return "HOLDFAST_DATA_DIR" in environ or ("DATABASE_URL" in environ and bool(_KEYS & environ.keys()))


def parse(expected: Mapping[str, Variable], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the variables that are set, by the key of each, and the faults of the others."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key, each in expected.items():
        raw = each.given_in(environ)
        if raw is None:
            continue
        try:
            values[key] = each.parse(_not_empty(raw))
        except ValueError as error:
            faults.append(f"{each.name} {error}")
    return values, faults


def _not_empty(raw: str) -> str:
    # An empty variable is a failed substitution more often than a wish: with AZURE_KEYVAULT_NAME taken for
    # absent, a node would stand alone and keep writes from the vault without a word.
    if not raw.strip():
        raise ValueError("is empty: give it a value, or unset it.")
    return raw


def contradictions(given: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with this very combination of variables."""
    given = set(given)
    if {"AZURE_KEYVAULT_NAME", "AZURE_KEYVAULT_URL"} <= given:
        yield "AZURE_KEYVAULT_NAME and AZURE_KEYVAULT_URL name the vault twice: unset one of them."
    if "DATABASE_URL" in given and not given & _KEYS:
        yield (
            "FALLBACK_ENCRYPTION_KEY is missing, and DATABASE_URL requires it, or HOLDFAST_ENCRYPTION_KEY_FILE: every "
            "node of a database needs the same key. Make one with: openssl rand -base64 32"
        )
    if ("HOLDFAST_SMTP_URL" in given) != ("HOLDFAST_MAIL_FROM" in given):
        yield "HOLDFAST_SMTP_URL and HOLDFAST_MAIL_FROM belong together: set both, or neither."
    if ("HOLDFAST_TLS_CERT" in given) != ("HOLDFAST_TLS_KEY" in given):
        yield "HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY belong together: set both, or neither."


def unknown(known: Set[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each variable that looks like ours and is not."""
    for name in sorted(name for name in own(environ) if name not in known):
        near = get_close_matches(name, known, n=1)
        mend = f"did you mean {near[0]}?" if near else "unset it; `holdfast help settings` lists all settings."
        yield f"{ascii(name[:80])[1:-1]} is not a setting: {mend}"

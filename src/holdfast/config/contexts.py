"""The servers that were logged in to: of each its address, CA and token, which belong together."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from holdfast.config.environment import home
from holdfast.errors import ConfigurationError
from holdfast.resilience.ownership import changed_by_others
from holdfast.resilience.windows import NO_LINK, WINDOWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A server under a name. The token is shown to this address alone."""

    name: str
    address: str
    token: str = field(repr=False)
    ca_file: Path | None = None


class Contexts:
    """The contexts of a person, in a file that only they read, and which of them is the current one.

    Every method raises ConfigurationError when others may read or change the file, or it is damaged or out of reach.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        config = environ.get("XDG_CONFIG_HOME", "")
        folder = Path(config) if Path(config).is_absolute() else home(environ) / ".config"
        self.file: Final = folder / "holdfast" / "contexts.json"

    def all(self) -> list[Context]:
        """Return every context, by name."""
        _, kept = self._read()
        return [kept[name] for name in sorted(kept)]

    def current(self) -> Context | None:
        """Return the one that commands use when nothing else is said."""
        name, kept = self._read()
        return kept.get(name or "")

    def named(self, name: str) -> Context:
        """Return a context.

        Raises:
            ConfigurationError: there is none of that name.
        """
        return _chosen(self._read()[1], name)

    def at(self, address: str) -> Context | None:
        """Return the context of an address; of several the current one, or else the first by name."""
        current, kept = self._read()
        found = (context for context in kept.values() if context.address == address)
        return min(found, key=lambda each: (each.name != current, each.name), default=None)

    def keep(self, context: Context) -> None:
        """Keep a context, in place of an earlier one of its name, and make it the current one."""
        _, kept = self._read()
        self._write(context.name, {**kept, context.name: context})

    def use(self, name: str) -> Context:
        """Make a context the current one.

        Raises:
            ConfigurationError: there is none of that name.
        """
        _, kept = self._read()
        chosen = _chosen(kept, name)
        self._write(name, kept)
        return chosen

    def forget(self, name: str) -> None:
        """Remove a context. If it was the current one, there is none until another is chosen.

        Raises:
            ConfigurationError: there is none of that name.
        """
        current, kept = self._read()
        del kept[_chosen(kept, name).name]
        self._write(None if current == name else current, kept)

    def _read(self) -> tuple[str | None, dict[str, Context]]:
        try:
            mode = 0 if WINDOWS else self.file.stat().st_mode
            text, fault = self.file.read_bytes(), changed_by_others(self.file)
        except (FileNotFoundError, NotADirectoryError):  # the home of a service account may be /dev/null
            return None, {}
        except OSError as error:
            raise ConfigurationError([f"{self.file} cannot be read ({error.strerror})"]) from None
        if mode & 0o077:
            raise ConfigurationError([f"{self.file} can be read by others: chmod 600 it, and replace its tokens"])
        if fault is not None:
            raise ConfigurationError([fault])
        try:
            return _understood(json.loads(text))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            raise ConfigurationError([f"{self.file} is damaged: remove it, and log in again"]) from None

    def _write(self, current: str | None, kept: Mapping[str, Context]) -> None:
        text = json.dumps({"current": current, "contexts": {name: _entry(each) for name, each in kept.items()}})
        fresh = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_LINK, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            fresh.replace(self.file)
        except OSError as error:
            raise ConfigurationError([f"{self.file} cannot be written ({error.strerror})"]) from None


def _chosen(kept: Mapping[str, Context], name: str) -> Context:
    if name not in kept:
        raise ConfigurationError(["there is no such context: `holdfast context list` shows those there are"])
    return kept[name]


def _understood(kept: Any) -> tuple[str | None, dict[str, Context]]:
    current = kept["current"]
    if not isinstance(current, str | None):
        raise TypeError
    return current, {str(name): _context(name, entry) for name, entry in kept["contexts"].items()}


def _context(name: str, entry: Mapping[str, str | None]) -> Context:
    address, token, ca_file = entry["address"], entry["token"], entry["ca_file"]
    if not isinstance(address, str) or not isinstance(token, str):
        raise TypeError
    return Context(name=name, address=address, token=token, ca_file=Path(ca_file) if ca_file else None)


def _entry(context: Context) -> dict[str, str | None]:
    ca_file = str(context.ca_file.resolve()) if context.ca_file else None
    return {"address": context.address, "ca_file": ca_file, "token": context.token}

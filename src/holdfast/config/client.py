"""Which server the command line talks to, if any."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, Self

from holdfast.config import parsing
from holdfast.config.environment import Variable, home, parse, variable
from holdfast.errors import ConfigurationError
from holdfast.resilience.ownership import changed_by_others

_MASK: Final = "*****"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClientSettings:
    """A server and the proof of identity for it. Without an address, the command line works on this very machine."""

    address: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_ADDR",
            "The server that commands talk to, as https://host[:port]. Without it, they work on this machine's data.",
            parsing.origin,
        ),
    )
    token: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_TOKEN",
            "The token to show that server; without it, what `holdfast login` kept.",
            parsing.text,
            secret=True,
        ),
    )
    ca_file: Path | None = field(
        default=None,
        metadata=variable("HOLDFAST_CACERT", "PEM file of the CA to trust for that server.", parsing.shown_file),
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings that an environment gives, completed by what a login for that address kept.

        Raises:
            ConfigurationError: with every fault there is, without any value.
        """
        environ = os.environ if environ is None else environ
        values, faults = parse({each.name: each.metadata["variable"] for each in fields(cls)}, environ)
        if faults:
            raise ConfigurationError(faults)
        kept = Logins(environ).find(values["address"]) if values.get("address") else {}
        return cls(**{**kept, **values})

    def __repr__(self) -> str:
        return f"ClientSettings(address={self.address!r}, token={_MASK if self.token else None})"


def client_variables() -> tuple[Variable, ...]:
    """The variables that the command line reads beside those of a node."""
    return tuple(each.metadata["variable"] for each in fields(ClientSettings))


class Logins:
    """What logins kept: a token and a CA file per address, in a file that only its owner reads."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        config = environ.get("XDG_CONFIG_HOME", "")
        folder = Path(config) if Path(config).is_absolute() else home(environ) / ".config"
        self.file: Final = folder / "holdfast" / "logins.json"

    def find(self, address: str) -> dict[str, object]:
        """Return the settings kept for an address; none if it was never logged in to.

        Raises:
            ConfigurationError: others may read or change the file, or it is damaged.
        """
        entry = self._read().get(address)
        if entry is None:
            return {}
        ca_file = entry.get("ca_file")
        return {"token": entry["token"], "ca_file": Path(ca_file) if ca_file else None}

    def keep(self, address: str, token: str, ca_file: Path | None) -> None:
        """Keep a token for an address, in place of an earlier one."""
        kept = {**self._read(), address: {"token": token, "ca_file": str(ca_file.resolve()) if ca_file else None}}
        self._write(kept)

    def forget(self, address: str) -> bool:
        """Forget what was kept for an address; False if there was nothing."""
        kept = self._read()
        if kept.pop(address, None) is None:
            return False
        self._write(kept)
        return True

    def _read(self) -> dict[str, dict[str, str | None]]:
        try:
            mode = self.file.stat().st_mode
            text = self.file.read_text("utf-8")
        except FileNotFoundError:
            return {}
        fault = changed_by_others(self.file)
        if fault is not None and not mode & 0o077:
            raise ConfigurationError([fault])
        if mode & 0o077:
            raise ConfigurationError([f"{self.file} can be read by others: chmod 600 it, and replace its tokens"])
        try:
            kept = json.loads(text)
            return {str(address): dict(entry) for address, entry in kept.items() if entry["token"]}
        except (ValueError, TypeError, AttributeError, KeyError):
            raise ConfigurationError([f"{self.file} is damaged: remove it, and log in again"]) from None

    def _write(self, kept: Mapping[str, object]) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=2)
        fresh.replace(self.file)

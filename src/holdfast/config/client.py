"""Which server the command line talks to, if any."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, Self

from holdfast.config import parsing
from holdfast.config.contexts import Context, Contexts
from holdfast.config.environment import Variable, names_installation, parse, variable
from holdfast.errors import ConfigurationError

_MASK: Final = "*****"
_UNBOUND: Final = (
    "HOLDFAST_TOKEN and HOLDFAST_CACERT are for the server that HOLDFAST_ADDR names, and it names none: set it, or "
    "unset them to talk to the server of the context {name}"
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClientSettings:
    """A server and the proof of identity for it. Without an address, the command line works on this very machine."""

    address: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_ADDR",
            "The server that commands talk to, as https://host[:port]. Without it: the current context's, else this "
            "machine's installation.",
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
        context = Contexts(environ).at(values["address"]) if values.get("address") else None
        kept = {"token": context.token, "ca_file": context.ca_file} if context else {}
        return cls(**{**kept, **values})

    @classmethod
    def of_command(cls, name: str | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """Return the server that a command talks to: of the context ``name``, of the environment, of the current
        context; without an address, none of them says one, or the environment names an installation on this machine.

        Raises:
            ConfigurationError: with every fault there is, without any value.
        """
        environ = os.environ if environ is None else environ
        contexts = Contexts(environ)
        if name is not None:
            return cls.of(contexts.named(name))
        given = cls.from_environ(environ)
        current = None if given.address is not None or names_installation(environ) else contexts.current()
        if current is None:
            return given
        if given.token is not None or given.ca_file is not None:
            raise ConfigurationError([_UNBOUND.format(name=current.name)])
        return cls.of(current)

    @classmethod
    def of(cls, context: Context) -> Self:
        """Return what a context has: its token goes to its address, and is proven by its CA."""
        return cls(address=context.address, token=context.token, ca_file=context.ca_file)

    def __repr__(self) -> str:
        return f"ClientSettings(address={self.address!r}, token={_MASK if self.token else None})"


def client_variables() -> tuple[Variable, ...]:
    """The variables that the command line reads besides those of a node."""
    return tuple(each.metadata["variable"] for each in fields(ClientSettings))

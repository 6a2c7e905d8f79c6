"""Settings as far as they can be read, with everything that is wrong with them, for whoever looks for faults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.config.client import client_variables
from holdfast.config.environment import default_data_dir, parse, unknown
from holdfast.config.issuers import authority_of, load_issuers
from holdfast.config.settings import Settings, contradicting, settings_variables, variables
from holdfast.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, repr=False)
class _Unchecked(Settings):
    """Settings that may contradict each other."""

    def __post_init__(self) -> None:
        """Contradictions are told beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """``settings`` have their defaults where a variable is at fault: those are named by ``unusable``. ``given``: how
    many variables of ours are set, None where the settings did not come from an environment. ``server``: the one that
    commands talk to."""

    settings: Settings
    faults: tuple[str, ...] = ()
    unusable: frozenset[str] = frozenset()
    given: int | None = None
    server: str | None = None


def read_draft(environ: Mapping[str, str] | None = None) -> Draft:
    """Return what an environment gives, by default the process's own. Nothing is raised, no value is in the faults."""
    environ = os.environ if environ is None else environ
    expected = dict(settings_variables())
    values, faults = parse(expected, environ)
    client, client_faults = parse({each.name: each for each in client_variables()}, environ)
    faults += client_faults
    names = {each.name for each in (*variables(), *client_variables())}
    faults += contradicting(environ.keys(), values)
    faults += unknown(names, environ)
    settings = _Unchecked(**{"data_dir": default_data_dir(environ), **values})
    faults += _issuer_faults(settings)
    unusable = {each.name for key, each in expected.items() if each.given_in(environ) is not None and key not in values}
    return Draft(
        settings=settings,
        faults=tuple(faults),
        unusable=frozenset(unusable),
        given=len(names & environ.keys()),
        server=client.get("HOLDFAST_ADDR"),
    )


def _issuer_faults(settings: Settings) -> list[str]:
    try:
        issuers = load_issuers(settings.oidc_issuers) if settings.oidc_issuers is not None else ()
        authority_of(settings.challenge, issuers)
    except ConfigurationError as error:
        return error.faults
    return []

"""How a program learns of the endpoint: by variables of its environment, handed over or written to a file."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from holdfast.identity_wire import PATH
from holdfast.resilience.ownership import new_file, open_file

_OF_OTHER_PLATFORMS: Final = frozenset({"IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT"})
"""With these next to ``IDENTITY_ENDPOINT``, Azure's libraries speak Service Fabric's or Arc's protocol to it."""

_CREDENTIALS_OF_SYSTEMD: Final = "CREDENTIALS_DIRECTORY"
"""Where the agent may have found its own credential: a program that has the endpoint needs to know nothing of it."""

_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""Azure's library for JavaScript asks the proxy for https for plain http as well."""

_NO_PROXY: Final = ("no_proxy", "NO_PROXY")
_LOOPBACK: Final = "127.0.0.1"


def variables(port: int, secret: str) -> dict[str, str]:
    """Return the variables of both versions of the protocol."""
    url = f"http://{_LOOPBACK}:{port}{PATH}"
    return {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": secret, "MSI_ENDPOINT": url, "MSI_SECRET": secret}


def around(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the variables, in which nothing leads a program past the endpoint.

    A proxy would be shown the secret, and the endpoint refuses what comes from one. Nor does it say where the agent's
    own credential lies.
    """
    left_out = _OF_OTHER_PLATFORMS | {_CREDENTIALS_OF_SYSTEMD}
    whole = {name: value for name, value in environ.items() if name not in left_out}
    if any(environ.get(name) for name in _PROXIES):
        whole |= {name: _with_loopback(environ.get(name, "")) for name in _NO_PROXY}
    return {**whole, **given}


def _with_loopback(hosts: str) -> str:
    named = [each.strip() for each in hosts.split(",") if each.strip()]
    return ",".join(named if {_LOOPBACK, "*"} & set(named) else [*named, _LOOPBACK])


def write(path: Path, given: Mapping[str, str]) -> None:
    """Write the variables to a file that only this user reads, in the place of an earlier one.

    Its form is that of systemd's ``EnvironmentFile`` and of a shell's assignments.

    Raises:
        OSError: it cannot be written.
    """
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        with new_file(fresh) as file:
            file.write(_content(given))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def remove(path: Path, given: Mapping[str, str]) -> None:
    """Remove a file with these variables, if it is still there. One that another agent has put there stays."""
    with suppress(OSError):
        content = _content(given)
        with open_file(path) as file:
            ours = file.read(len(content) + 1) == content
        if ours:
            path.unlink()


def _content(given: Mapping[str, str]) -> bytes:
    return "".join(f"{name}={value}\n" for name, value in given.items()).encode()

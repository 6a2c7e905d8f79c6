"""The clients that are tried: how each is installed, and how it runs."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]

CHECKS: Final = (
    "set and get",
    "any text is a value",
    "versions, and a pinned one",
    "an update",
    "15 tags",
    "an empty map of tags",
    "dates",
    "a disabled secret",
    "a listing in pages",
    "delete and poll",
    "the name of a deleted secret",
    "deleted secrets",
    "recover and poll",
    "purge",
    "backup and restore",
    "what is not there",
    "whoever may nothing",
    "a wrong client secret",
)
"""What every client of Azure's does; each prints ``ok`` and these words, in this order."""

ALONE: Final = "alone"
BEFORE_A_VAULT: Final = "before a vault"
ADFS: Final = "by its environment, as the tenant adfs"
IDENTITY: Final = "by its environment, as a managed identity"
"""What a program is tried against. In the last two it knows nothing of this server but what stands in its environment,
or in a configuration file of its own: see `docs/applications.md`."""

BY_ITSELF: Final = ("reads", "writes", "misses")
"""What a program does in these: it reads a secret, sets one, and is told that one is not there."""

Command = Sequence[str]
Environ = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A program that uses a client.

    ``programs``: what must be there to install and run it. ``install``: done once, in a copy of ``folder``; ``shares``:
    the name of another client with which it shares that. ``run``: the command that does the checks. ``trust``: from the
    file of a CA, the variables by which the program trusts it; ``before``: a command to be run first for that;
    ``also``: further variables, from what it is given. ``version``: of the client, out of what pins it. ``modes``: what
    it is tried against. ``checks``: what it does.
    """

    name: str
    folder: Path
    programs: Sequence[str]
    install: Sequence[Command]
    run: Command
    version: Callable[[], str]
    trust: Callable[[Path], dict[str, str]] = lambda _: {}
    before: Callable[[Path], Command] | None = None
    also: Callable[[Environ], dict[str, str]] = lambda _: {}
    shares: str = ""
    modes: Sequence[str] = (ALONE, BEFORE_A_VAULT)
    checks: Sequence[str] = CHECKS

    @property
    def place(self) -> str:
        """The name of the folder in which it is installed."""
        return self.shares or self.name


def pinned(path: Path, pattern: str) -> str:
    """The version that a file pins."""
    found = re.search(pattern, path.read_text())
    assert found is not None, f"{path} pins no version"
    return found[1]


def pinned_by_npm(package: str, folder: Path = HERE / "javascript") -> str:
    """The version of a package that a ``package.json`` pins."""
    return pinned(folder / "package.json", rf'"{package}": "([^"]+)"')


def locked(package: str, requirements: Path) -> str:
    """The version of a package of Python's that a file of requirements pins."""
    return pinned(requirements, rf"(?m)^{package}==(\S+)")


_UV: Final = (sys.executable, "-m", "uv")
_LOCKED: Final[Sequence[Command]] = (
    (*_UV, "venv", "--quiet", "--python", sys.executable, "venv"),
    (*_UV, "pip", "install", "--quiet", "--python", "venv", "--require-hashes", "-r", "requirements.txt"),
)
MAVEN: Final[Sequence[Command]] = (
    ("mvn", "--quiet", "--batch-mode", "compile", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"),
)
_JAVA_STORE: Final = ("-storepass", "conformance", "-keystore", "trusted.p12")


def _requests_trusts(ca: Path) -> dict[str, str]:
    """As programs in Python trust a CA."""
    return {"REQUESTS_CA_BUNDLE": str(ca)}


def _go_trusts(ca: Path) -> dict[str, str]:
    """As programs in Go do."""
    return {"SSL_CERT_FILE": str(ca)}


def node_trusts(ca: Path) -> dict[str, str]:
    """As programs for Node do."""
    return {"NODE_EXTRA_CA_CERTS": str(ca)}


def _java_trusts(_: Path) -> dict[str, str]:
    """As programs in Java do, for which ``_into_the_store`` has put it where they look."""
    options = (
        "-Djava.net.useSystemProxies=true -Djavax.net.ssl.trustStore=trusted.p12 "
        "-Djavax.net.ssl.trustStorePassword=conformance"
    )
    return {"JAVA_TOOL_OPTIONS": options}


def _into_the_store(ca: Path) -> Command:
    """Put a CA into the store of those that Java trusts."""
    return ("keytool", "-importcert", "-noprompt", "-file", str(ca), "-alias", str(ca), *_JAVA_STORE)


PYTHON: Final = partial(Client, programs=(), install=_LOCKED, trust=_requests_trusts)
"""A client in Python: an environment of what ``requirements.txt`` pins, in a folder ``venv``."""

NODE: Final = partial(Client, programs=("node", "npm"), install=(("npm", "ci"),), trust=node_trusts)
GO: Final = partial(Client, programs=("go",), install=(("go", "build", "-o", "bin/", "./..."),), trust=_go_trusts)
JAVA: Final = partial(
    Client,
    programs=("java", "javac", "keytool", "mvn"),
    install=MAVEN,
    trust=_java_trusts,
    before=_into_the_store,
)

CLIENTS: Final = (
    NODE(
        name="JavaScript",
        folder=HERE / "javascript",
        run=("node", "conformance.mjs"),
        version=lambda: pinned_by_npm("@azure/keyvault-secrets"),
    ),
    GO(
        name="Go",
        folder=HERE / "go",
        run=("bin/conformance",),
        version=lambda: pinned(HERE / "go" / "go.mod", r"azsecrets v(\S+)"),
    ),
    JAVA(
        name="Java",
        folder=HERE / "java",
        run=("java", "-cp", "target/classes:target/lib/*", "Conformance"),
        version=lambda: pinned(HERE / "java" / "pom.xml", r"keyvault-secrets</artifactId>\s*<version>([^<]+)"),
    ),
    PYTHON(
        name="az",
        folder=HERE / "azure-cli",
        run=("venv/bin/python", "conformance.py"),
        version=lambda: locked("azure-cli", HERE / "azure-cli" / "requirements.txt"),
        modes=(BEFORE_A_VAULT,),
    ),
)

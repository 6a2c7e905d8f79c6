"""The clients that are tried: how each is installed, and how it runs."""

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

Command = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A program that uses a client.

    ``programs``: what must be there to install and run it. ``install``: done once, in a copy of ``folder``.
    ``run``: the command that does the checks. ``trust``: from the file of a CA, the variables by which the program
    trusts it; ``before``: a command to be run first for that. ``version``: of the client, out of what pins it.
    ``modes``: what it is tried against. ``checks``: what it does.
    """

    name: str
    folder: Path
    programs: Sequence[str]
    install: Sequence[Command]
    run: Command
    version: Callable[[], str]
    trust: Callable[[Path], dict[str, str]] = lambda _: {}
    before: Callable[[Path], Command] | None = None
    modes: Sequence[str] = (ALONE, BEFORE_A_VAULT)
    checks: Sequence[str] = CHECKS


def _of_npm() -> str:
    return str(
        json.loads((HERE / "javascript" / "package.json").read_text())["dependencies"]["@azure/keyvault-secrets"]
    )


def pinned(path: Path, pattern: str) -> str:
    """The version that a file pins."""
    found = re.search(pattern, path.read_text())
    assert found is not None, f"{path} pins no version"
    return found[1]


_JAVA_STORE: Final = ("-storepass", "conformance", "-keystore", "trusted.p12")

CLIENTS: Final = (
    Client(
        name="JavaScript",
        folder=HERE / "javascript",
        programs=("node", "npm"),
        install=(("npm", "ci"),),
        run=("node", "conformance.mjs"),
        trust=lambda ca: {"NODE_EXTRA_CA_CERTS": str(ca)},
        version=_of_npm,
    ),
    Client(
        name="Go",
        folder=HERE / "go",
        programs=("go",),
        install=(("go", "build", "-o", "conformance", "."),),
        run=("./conformance",),
        trust=lambda ca: {"SSL_CERT_FILE": str(ca)},
        version=lambda: pinned(HERE / "go" / "go.mod", r"azsecrets v(\S+)"),
    ),
    Client(
        name="Java",
        folder=HERE / "java",
        programs=("java", "javac", "keytool", "mvn"),
        install=(
            (
                "mvn",
                "--quiet",
                "--batch-mode",
                "compile",
                "dependency:copy-dependencies",
                "-DoutputDirectory=target/lib",
            ),
        ),
        run=("java", "-cp", "target/classes:target/lib/*", "Conformance"),
        trust=lambda ca: {
            "JAVA_TOOL_OPTIONS": "-Djava.net.useSystemProxies=true -Djavax.net.ssl.trustStore=trusted.p12 "
            "-Djavax.net.ssl.trustStorePassword=conformance"
        },
        version=lambda: pinned(HERE / "java" / "pom.xml", r"keyvault-secrets</artifactId>\s*<version>([^<]+)"),
        before=lambda ca: ("keytool", "-importcert", "-noprompt", "-file", str(ca), "-alias", str(ca), *_JAVA_STORE),
    ),
    Client(
        name="az",
        folder=HERE / "azure-cli",
        programs=(),
        install=(
            (sys.executable, "-m", "venv", "venv"),
            ("venv/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.txt"),
        ),
        run=("venv/bin/python", "conformance.py"),
        trust=lambda ca: {"REQUESTS_CA_BUNDLE": str(ca)},
        version=lambda: pinned(HERE / "azure-cli" / "requirements.txt", r"(?m)^azure-cli==(\S+)"),
        modes=(BEFORE_A_VAULT,),
    ),
)

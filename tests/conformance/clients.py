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
"""What every client does; each prints ``ok`` and these words, in this order."""

Command = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Client:
    """A program that uses one of Azure's clients.

    ``programs``: what must be there to install and run it. ``install``: done once, in a copy of ``folder``.
    ``run``: the command that does the checks. ``trust``: from the file of a CA, the variables by which the program
    trusts it; ``before``: a command to be run first for that. ``version``: of the client, out of what pins it.
    ``also_alone``: whether it is tried against a server alone as well, or only against one before a vault.
    """

    name: str
    folder: Path
    programs: Sequence[str]
    install: Sequence[Command]
    run: Command
    trust: Callable[[Path], dict[str, str]]
    version: Callable[[], str]
    before: Callable[[Path], Command] | None = None
    also_alone: bool = True


def _of_npm() -> str:
    return str(
        json.loads((HERE / "javascript" / "package.json").read_text())["dependencies"]["@azure/keyvault-secrets"]
    )


def _pinned(path: Path, pattern: str) -> str:
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
        version=lambda: _pinned(HERE / "go" / "go.mod", r"azsecrets v(\S+)"),
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
        version=lambda: _pinned(HERE / "java" / "pom.xml", r"keyvault-secrets</artifactId>\s*<version>([^<]+)"),
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
        version=lambda: _pinned(HERE / "azure-cli" / "requirements.txt", r"(?m)^azure-cli==(\S+)"),
        also_alone=False,
    ),
)

"""Clients that are generated from the description of ``/v1``: how each is made, and how it runs."""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from holdfast.web.v1.openapi import document
from holdfast.web.v1.operation import encode
from holdfast.web.v1.table import OPERATIONS
from tests.conformance.clients import ALONE, HERE, MAVEN, PYTHON, Client, Command, locked, node_trusts, pinned_by_npm

FOLDER: Final = HERE / "generated"
DESCRIPTION: Final = "openapi.json"

CHECKS: Final = (
    "set and get",
    "an update",
    "an enum",
    "a refusal",
    "lines of the audit trail",
    "delete",
    "a later answer",
)
"""What every generated client does; the last, to read members that it does not know, is nothing to types alone."""

_ONLY_HERE: Final = ("--global-property", "--fail-on-warning", "--config", "no-hooks")
"""Beginnings of what only keeps the run short or strict."""


def description() -> bytes:
    """What a server answers at ``/v1/openapi.json``."""
    return encode(document(OPERATIONS, version("holdfast")))


COLUMNS: Final = ("client", "generator that was tried", "make it")


def rows() -> Iterator[tuple[str, str, str]]:
    """What people read in `docs/api.md`: the commands that are run, less what is only for here."""
    for client in GENERATED:
        (made,) = (each for each in client.install if _INPUT in each)
        yield client.name.removeprefix("generated-"), client.version(), f"`{_shown(made)}`"


def _shown(command: Command) -> str:
    words = (DESCRIPTION if each == _INPUT else each.removeprefix(_TOOLS) for each in command)
    return " ".join(each for each in words if not each.startswith(_ONLY_HERE))


def _of(name: str) -> Callable[[], str]:
    return lambda: locked(name, FOLDER / "generator" / "requirements.txt")


GENERATOR: Final = PYTHON(name="generator", folder=FOLDER / "generator", run=(), version=_of("openapi-generator-cli"))
"""What other clients are generated with; their folders are next to its own."""

_NEXT_TO_IT: Final = f"../{GENERATOR.name}"
_INPUT: Final = f"{_NEXT_TO_IT}/{DESCRIPTION}"
_OPEN_ENUMS: Final = "enumUnknownDefaultCase=true"
_TOOLS: Final = f"{_NEXT_TO_IT}/venv/bin/"


def _generate(language: str, folder: str, *options: str) -> Command:
    """OpenAPI Generator, as anyone would call it, without the tests and pages that it would write as well."""
    parts = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
    asked = ("-i", _INPUT, "-g", language, "-o", folder, f"--global-property={parts}")
    return (f"{_TOOLS}openapi-generator-cli", "generate", *asked, *options)


def _client(
    name: str,
    folder: str,
    programs: Sequence[str],
    install: Sequence[Command],
    run: Command,
    generator: Callable[[], str] = GENERATOR.version,
    trust: Callable[[Path], dict[str, str]] = lambda _: {},
    checks: Sequence[str] = CHECKS,
) -> Client:
    return Client(
        name=name,
        folder=FOLDER / folder,
        programs=programs,
        install=install,
        run=run,
        trust=trust,
        version=generator,
        modes=(ALONE,),
        checks=checks,
    )


GENERATED: Final = (
    _client(
        "generated-Go",
        "go",
        ("go", "java"),
        (
            _generate(
                "go",
                "holdfast",
                f"--additional-properties=withGoMod=false,disallowAdditionalPropertiesIfNotPresent=false,{_OPEN_ENUMS}",
            ),
            ("go", "build", "-o", "check", "."),
        ),
        ("./check",),
    ),
    _client(
        "generated-Java",
        "java",
        ("java", "javac", "mvn"),
        (
            _generate("java", ".", "--library", "native", f"--additional-properties={_OPEN_ENUMS}"),
            *MAVEN,
        ),
        ("java", "-Dfile.encoding=UTF-8", "-cp", "target/classes:target/lib/*", "Check"),
    ),
    _client(
        "generated-TypeScript",
        "typescript",
        ("node", "npm"),
        (
            ("npm", "ci"),
            ("npx", "openapi-typescript", _INPUT, "-o", "schema.d.ts"),
            ("npx", "tsc"),
        ),
        ("node", "check.js"),
        lambda: pinned_by_npm("openapi-typescript", FOLDER / "typescript"),
        node_trusts,
        CHECKS[:-1],
    ),
    _client(
        "generated-Python",
        "python",
        ("java",),
        (_generate("python", "."),),
        (f"{_TOOLS}python", "check_generator.py"),
    ),
    _client(
        "generated-Python-httpx",
        "python",
        (),
        (
            (
                *(f"{_TOOLS}openapi-python-client", "generate", "--fail-on-warning", "--path", _INPUT),
                *("--meta", "none", "--output-path", "holdfast_client", "--config", "no-hooks.yaml"),
            ),
        ),
        (f"{_TOOLS}python", "check_python_client.py"),
        _of("openapi-python-client"),
    ),
)

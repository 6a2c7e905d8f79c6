"""What stands around a finding: the variable it is assigned to, and what to write in its place."""

import re
from pathlib import PurePosixPath
from typing import Final

from holdfast.domain.names import SecretName

_VARIABLE: Final = re.compile(
    r"""([A-Za-z_][\w.-]{0,99})["']?\]?\s*(?::\s*[\w.<>\[\]|]+\s*)?(?:=>|:=|=|:)\s*[bfruBFRU@$]{0,2}["'`]?$""", re.ASCII
)

_PAIRED: Final = re.compile(r"""["'`/][\w.-]+:""", re.ASCII)

_LANGUAGES: Final = {
    **dict.fromkeys((".py", ".pyi"), "python"),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts"), "javascript"),
    **dict.fromkeys((".sh", ".bash", ".zsh"), "shell"),
    **dict.fromkeys((".yml", ".yaml"), "yaml"),
    **dict.fromkeys((".env", ".properties", ".ini", ".cfg", ".conf", ".cnf", ".toml", ".tfvars", ".tf"), "settings"),
    **dict.fromkeys((".md", ".rst", ".adoc", ".txt"), "text"),
    **dict.fromkeys((".dockerfile", ".ps1", ".psm1", ".bat", ".cmd", ".fish"), "script"),
    ".cs": "csharp",
    ".java": "java",
    ".kt": "java",
    ".go": "go",
    ".json": "json",
    ".rb": "ruby",
    ".php": "php",
}
_DATA: Final = frozenset({"shell", "yaml", "settings", "script", "text"})
_NO_CODE: Final = ("dockerfile", "containerfile", "jenkinsfile", "makefile", "procfile")

_INSTEAD: Final = {
    "python": '{variable} = (await service.get_secret("{name}")).value',
    "javascript": "{variable} = process.env.{environment}",
    "shell": '{variable}="${environment}"',
    "yaml": "{variable}: ${{{environment}}}",
    "settings": "{variable}=${{{environment}}}",
    "json": '"{variable}": "${{{environment}}}"',
    "csharp": '{variable} = Environment.GetEnvironmentVariable("{environment}")',
    "java": '{variable} = System.getenv("{environment}")',
    "go": '{variable} := os.Getenv("{environment}")',
    "ruby": '{variable} = ENV.fetch("{environment}")',
    "php": "{variable} = getenv('{environment}')",
}


def assigned_to(before: str) -> str:
    """Return the variable that a line assigns to just where ``before`` ends, or nothing."""
    start, end = place_of_variable(before)
    return before[start:end]


def place_of_variable(before: str) -> tuple[int, int]:
    """Return where that variable stands in ``before``.

    What stands before a colon within quotes, or within an address, is a user or a password of its own.
    """
    skipped = max(0, len(before) - 200)
    found = _VARIABLE.search(before, skipped)
    if found is None or _PAIRED.match(before, max(0, found.start() - 1)):
        return 0, 0
    return found.span(1)


def is_data(path: str) -> bool:
    """Whether values stand in such a file without quotes: settings, scripts, and what has no ending, as ``.npmrc``."""
    name = PurePosixPath(path).name.lower()
    return language_of(path) in _DATA or name.startswith(_NO_CODE) or "." not in name.lstrip(".")


def language_of(path: str) -> str:
    """Return what a file is written in, as its name says; nothing if it does not say."""
    name = PurePosixPath(path).name.lower()
    return "settings" if name.startswith(".env") else _LANGUAGES.get(PurePosixPath(name).suffix, "")


def replacement(path: str, variable: str, name: SecretName) -> str:
    """Return what to write instead, in the file's language.

    Python asks the service. Elsewhere the value comes from the environment, which ``holdfast run`` fills.
    """
    environment = name.upper().replace("-", "_")
    language = language_of(path)
    form = _INSTEAD.get(language, "the environment variable {environment}")
    return form.format(variable=variable or "…", name=name, environment=environment)

"""What people hand over in files and variables: imports, settings, mappings, policies, key files."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from holdfast.auth.keptkeys import KeptKeys
from holdfast.cli.bindings import read_map
from holdfast.config import parsing
from holdfast.config.break_glass import load_policies
from holdfast.config.client import ClientSettings, client_variables
from holdfast.config.contexts import Contexts
from holdfast.config.issuers import load_issuers
from holdfast.config.libpq import each_host, for_driver, for_node
from holdfast.config.passwordless import login_faults
from holdfast.config.settings import Settings, variables
from holdfast.config.source import SourceSettings, source_variables
from holdfast.embedded.keyfile import key_lines
from holdfast.errors import ConfigurationError, InvalidInput
from holdfast.importing.dotenv import read_dotenv
from holdfast.importing.files import Format, read_file, read_json
from holdfast.importing.journal import Journal
from holdfast.importing.naming import read_mapping, secret_name
from holdfast.importing.sealed import check_open
from holdfast.importing.trees import Fields
from holdfast.importing.yaml import read_yaml
from holdfast.outbound.signature import signing_key
from holdfast.rotators.mysql_wire import login_of
from holdfast.rotators.urls import user_url
from holdfast.scanning.baseline import read_baseline
from tests.fuzz.borders import NOW
from tests.fuzz.target import Run, Target, as_json, as_text, one_of


@cache
def folder() -> Path:
    """A folder of this process in memory; it is left behind, a file or two."""
    return Path(tempfile.mkdtemp(prefix="holdfast-fuzz-", dir="/dev/shm"))


def in_file(read: Callable[[Path], object], name: str = "given") -> Run:
    """Give a reader of files a file with the bytes."""

    def run(data: bytes) -> object:
        path = folder() / name
        path.write_bytes(data)
        path.chmod(0o600)
        return read(path)

    return run


def _imported(form: Format, fields: Fields) -> Run:
    def read(path: Path) -> None:
        for item in read_file(path, form, fields, allow_empty=True):
            secret_name(item.source)
            str(item.origin)

    return in_file(read)


def _dotenv(text: str) -> None:
    for variable in read_dotenv(text, "file"):
        repr(variable)


def _sealed(data: bytes) -> None:
    for form in Format:
        check_open(data, "file", form)


def _environment(data: bytes) -> dict[str, str]:
    """A line for each variable: a byte that says which one, and its text."""
    known = [each.name for each in (*variables(), *client_variables(), *source_variables())]
    lines = [line for line in data.split(b"\n") if line]
    return {known[line[0] % len(known)]: line[1:].decode("utf-8", "surrogateescape") for line in lines}


def _settings(data: bytes) -> None:
    environ = {"HOME": "/nowhere", **_environment(data)}
    for kind in (SourceSettings, ClientSettings, Settings):
        with suppress(ConfigurationError):
            found = kind.from_environ(environ)
            shown = repr(found)
            key = getattr(found, "encryption_key", None)
            assert not key or key not in shown


def _url(text: str) -> None:
    list(login_faults("entra", text, "entra", text))
    readers = (for_driver, lambda url: for_node(url, {}), each_host, parsing.redis_url, signing_key, user_url)
    for read in (*readers, lambda url: login_of(url, "it")):
        with suppress(ValueError, InvalidInput):
            read(text)


def _contexts(data: bytes) -> None:
    contexts = Contexts({"XDG_CONFIG_HOME": str(folder())})
    contexts.file.parent.mkdir(exist_ok=True)
    contexts.file.write_bytes(data)
    contexts.file.chmod(0o600)
    contexts.all()
    contexts.current()


def _kept_keys(data: bytes) -> None:
    kept = KeptKeys(folder())
    kept.keep("issuer", None, NOW, {})
    kept._file("issuer").write_bytes(data)
    kept.find("issuer", None)


def _journal(data: bytes) -> None:
    journal = Journal(folder(), "import")
    journal.file.write_bytes(data)
    with journal:
        assert len(journal.key("a", 1)) == 64


_CONTEXT: Final = ("current", "contexts", "address", "token", "ca_file", "a", "issuer", "fetched_at", "keys", "key")
_BASELINE: Final = ("version", "accepted", "id", "path")
_KUBERNETES: Final = ("apiVersion", "kind", "metadata", "data", "stringData", "name", "namespace", "items", "a")

TARGETS: Final = (
    Target("dotenv files", one_of(as_text(_dotenv), _imported(Format.DOTENV, Fields.SPLIT)), ("importing.dotenv",)),
    Target(
        "documents to import",
        one_of(
            as_json(_imported(Format.JSON, Fields.SPLIT), *_KUBERNETES),
            as_json(_imported(Format.JSON, Fields.JSON), *_KUBERNETES),
            as_text(lambda text: read_json(text, "file")),
        ),
        ("importing.files", "importing.trees", "importing.kubernetes"),
    ),
    Target(
        "YAML to import",
        one_of(
            _imported(Format.YAML, Fields.SPLIT),
            _imported(Format.YAML, Fields.JSON),
            as_text(lambda text: read_yaml(text, "file")),
        ),
        ("importing.yaml", "importing.kubernetes"),
    ),
    Target("sealed files", _sealed, ("importing.sealed",)),
    Target("settings", _settings, ("config.parsing", "config.environment")),
    Target(
        "URLs and keys",
        as_text(_url),
        (
            "config.libpq",
            "config.redis_url",
            "config.passwordless",
            "outbound.signature",
            "rotators.urls",
            "rotators.mysql_wire",
        ),
    ),
    Target(
        "files of settings",
        one_of(
            in_file(load_issuers),
            in_file(load_policies),
            in_file(read_map),
            in_file(read_mapping),
            in_file(lambda path: key_lines(path, 0o077)),
            as_json(_contexts, *_CONTEXT),
            as_json(_kept_keys, *_CONTEXT),
            as_json(_journal, *_CONTEXT),
            as_json(in_file(read_baseline), *_BASELINE),
        ),
        (
            *("config.issuers", "config.break_glass", "config.contexts", "cli.bindings", "importing.naming"),
            *("importing.journal", "embedded.keyfile", "auth.keptkeys", "scanning.baseline"),
        ),
    ),
)

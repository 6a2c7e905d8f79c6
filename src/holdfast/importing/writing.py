"""Secrets as files: ``.env``, JSON, or a Secret of Kubernetes. Only what an import reads back as it was is written."""

import base64
import enum
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.errors import InvalidInput
from holdfast.importing.dotenv import read_dotenv
from holdfast.importing.kubernetes import OURS
from holdfast.importing.naming import secret_name

MAX_KUBERNETES_BYTES: Final = 1_048_576
"""Of all values of one Secret, as Kubernetes has it (https://kubernetes.io/docs/concepts/configuration/secret/)."""

_OBJECT: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_PLAIN: Final = re.compile(r"[\w./:@%+,=~-]+", re.ASCII)
_BEHIND: Final = "A='\"'\nB=\"'\"\n"
"""Quotes of both kinds in the lines that follow: a value must not take them for its own."""
_SHOWN: Final = 10


class Form(enum.StrEnum):
    """What is written."""

    DOTENV = "dotenv"
    JSON = "json"
    KUBERNETES = "kubernetes"


def check_object(name: str) -> str:
    """Return the name of an object of Kubernetes, or of a namespace.

    Raises:
        InvalidInput: it is none (RFC 1123, section 2.1, as Kubernetes reads it).
    """
    if _OBJECT.fullmatch(name):
        return name
    raise InvalidInput("Names in Kubernetes have 1 to 253 characters out of a-z, 0-9, '-' and '.'.", field="object")


def written(
    values: Mapping[SecretName, str], form: Form, *, name: str = "holdfast", namespace: str | None = None
) -> str:
    """Return the text of a file that holds the secrets. ``name`` and ``namespace`` are those of a Secret of Kubernetes.

    Raises:
        InvalidInput: the form cannot hold one of them; it is named.
    """
    if form is Form.JSON:
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    if form is Form.KUBERNETES:
        return _manifest(values, check_object(name), namespace and check_object(namespace))
    lines = {each: _assignment(each, value) for each, value in values.items()}
    unfit = [each for each, line in lines.items() if line is None]
    if unfit:
        more = f" and {len(unfit) - _SHOWN} more" if len(unfit) > _SHOWN else ""
        raise InvalidInput(
            f"A .env file cannot hold {', '.join(unfit[:_SHOWN])}{more} so that it is read back: use --format json."
        )
    return "".join(line for line in lines.values() if line is not None)


def _assignment(name: SecretName, value: str) -> str | None:
    variable = name.upper().replace("-", "_")
    if secret_name(variable) != name:
        return None
    lines = (f"{variable}={spelled}\n" for spelled in _spellings(value))
    return next((line for line in lines if _reads_back(line, variable, value)), None)


def _spellings(value: str) -> Iterator[str]:
    if _PLAIN.fullmatch(value):
        yield value
    escaped = value.replace("\\", "\\\\")
    single = "'" + escaped.replace("'", "\\'") + "'"
    double = '"' + escaped.replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    yield from (double, single) if "\n" in value or "\r" in value else (single, double)
    yield value


def _reads_back(line: str, variable: str, value: str) -> bool:
    with suppress(InvalidInput):
        found = [(each.name, each.value) for each in read_dotenv(line + _BEHIND, "")]
        return found == [(variable, value), ("A", '"'), ("B", "'")]
    return False


def _manifest(values: Mapping[SecretName, str], name: str, namespace: str | None) -> str:
    encoded = {each: value.encode() for each, value in values.items()}
    size = sum(map(len, encoded.values()))
    if size > MAX_KUBERNETES_BYTES:
        raise InvalidInput(
            f"These secrets have {size:,} bytes; one of Kubernetes has {MAX_KUBERNETES_BYTES:,} at most."
        )
    lines = ["apiVersion: v1", "kind: Secret", "metadata:", f'  name: "{name}"']
    lines += [f'  namespace: "{namespace}"'] if namespace else []
    lines += ["  labels:", *(f"    {label}: {text}" for label, text in OURS.items()), "type: Opaque"]
    data = [f'  "{each}": "{base64.b64encode(value).decode()}"' for each, value in encoded.items()]
    return "\n".join([*lines, "data:" if data else "data: {}", *data]) + "\n"

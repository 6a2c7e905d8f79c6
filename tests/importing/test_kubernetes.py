"""Secrets of Kubernetes: decoded, called by their object and key, and nothing else of the file is taken for one."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInput
from holdfast.importing.files import read_file
from holdfast.importing.items import Item
from holdfast.importing.trees import Fields

MANIFESTS = """\
apiVersion: v1
kind: Secret
metadata:
  name: db
  annotations: {note: x}
type: Opaque
data:
  password: cEBzcw==
  wrapped: |
    bG9u
    Zw==
  replaced: eA==
  none:
  binary: /w==
  wrong: "no base64"
stringData:
  user: app
  replaced: new
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast}
---
"""


def read(folder: Path, name: str, text: str, fields: Fields = Fields.SPLIT) -> list[Item]:
    (folder / name).write_text(text)
    return read_file(folder / name, fields=fields)


def values(items: list[Item]) -> dict[str, str]:
    return {each.source: each.versions[0].value.reveal() for each in items if not (each.left_out or each.fault)}


def secret(name: str, namespace: str | None = None, **data: str) -> dict[str, object]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


def test_manifests_with_several_documents(tmp_path: Path) -> None:
    items = read(tmp_path, "a.yaml", MANIFESTS)
    assert values(items) == {"db.password": "p@ss", "db.wrapped": "long", "db.user": "app", "db.replaced": "new"}
    assert {each.source: each.left_out for each in items if each.left_out} == {
        "db.none": "it is null",
        "ConfigMap settings": "it is no Secret of Kubernetes",
    }
    assert {each.source for each in items if each.fault} == {"db.binary", "db.wrong"}


def test_a_list_as_kubectl_writes_it(tmp_path: Path) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": [secret("db", "pay", password="1"), secret("web", "pay", key="2")]}  # fmt: skip  # noqa: E501
    assert values(read(tmp_path, "a.json", json.dumps(document))) == {"db.password": "1", "web.key": "2"}
    one = secret("db", "pay", password="1", user="u")
    assert values(read(tmp_path, "a.json", json.dumps(one), Fields.JSON)) == {"db": '{"password": "1", "user": "u"}'}


def test_namespaces_are_told_apart(tmp_path: Path) -> None:
    document = {"apiVersion": "v1", "kind": "SecretList", "items": [secret("db", "test", password="1"), secret("db", "live", password="2")]}  # fmt: skip  # noqa: E501
    assert values(read(tmp_path, "a.json", json.dumps(document))) == {
        "test.db.password": "1",
        "live.db.password": "2",
    }


def test_a_whole_that_cannot_be_decoded_is_not_taken_in_part(tmp_path: Path) -> None:
    items = read(tmp_path, "a.yaml", MANIFESTS, Fields.JSON)
    assert values(items) == {}
    assert {each.source for each in items if each.fault} == {"db.binary", "db.wrong"}


def test_other_documents_are_not_taken_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="several documents"):
        read(tmp_path, "a.yaml", "a: s3cr3t\n---\nb: 1\n")
    assert values(read(tmp_path, "a.yaml", "---\na: 1\n---\n")) == {"a": "1"}


def test_aliases_in_many_documents_cannot_exhaust_memory(tmp_path: Path) -> None:
    bomb = f"a: &a {9_000 * 's'}\nb: [{100 * '*a, '}]\n---\n"
    with pytest.raises(InvalidInput, match="stands for more than 10,000,000 characters"):
        read(tmp_path, "a.yaml", 20 * bomb)


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9_.-]{1,9}", fullmatch=True), st.text(min_size=1), max_size=4))
def test_any_secret_comes_back_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, data: dict[str, str]) -> None:
    found = read(tmp_path_factory.mktemp("k"), "a.json", json.dumps(secret("s", **data)))
    assert values(found) == {f"s.{key}": value for key, value in data.items()}

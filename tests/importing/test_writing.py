"""What is written is read back as it was, in every form, or the form is refused by name."""

import io
import json
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.errors import InvalidInput
from holdfast.importing.files import Format, read_file
from holdfast.importing.naming import secret_name
from holdfast.importing.writing import MAX_KUBERNETES_BYTES, Form, written

READ_AS = {Form.DOTENV: Format.DOTENV, Form.JSON: Format.JSON, Form.KUBERNETES: Format.YAML}
NAMES = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True).map(SecretName)
FITTING = st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,5}){0,2}", fullmatch=True).map(SecretName)
ODD = st.text("\\'\"`$#= \n\ra{}0", max_size=8)
VALUES = st.one_of(st.text(), ODD)


def read_back(folder: Path, text: str, form: Form) -> dict[str, str]:
    file = folder / "written"
    file.write_bytes(text.encode())
    items = read_file(file, READ_AS[form], allow_empty=True) if text else []
    assert not any(each.fault or each.left_out for each in items)
    return {str(secret_name(each.source)): each.versions[0].value.reveal() for each in items}


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), st.sampled_from([Form.JSON, Form.KUBERNETES]))
@example({SecretName("-a--b-"): "", SecretName("1"): "\0"}, Form.JSON)
@example({SecretName("null"): "~", SecretName("1"): "\x85\ufeff"}, Form.KUBERNETES)
def test_import_reads_what_export_wrote(
    tmp_path_factory: pytest.TempPathFactory, values: dict[SecretName, str], form: Form
) -> None:
    assert read_back(tmp_path_factory.mktemp("w"), written(values, form), form) == values


@given(st.dictionaries(FITTING, VALUES, max_size=4))
@example({SecretName("a"): "x\\", SecretName("b"): "'"})
@example({SecretName("a"): "\\' #\n", SecretName("b"): '"'})
@example({SecretName("a"): 64 * "Ab1+", SecretName("abc"): ""})
def test_a_dotenv_file_is_read_back_by_us_and_by_python_dotenv_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, values: dict[SecretName, str]
) -> None:
    try:
        text = written(values, Form.DOTENV)
    except InvalidInput as refused:
        unfit = str(refused).removeprefix("A .env file cannot hold ").partition(" so that")[0].split(", ")
        assert all(set(values[SecretName(name)]) & {"\0"} for name in unfit)
        return
    assert read_back(tmp_path_factory.mktemp("w"), text, Form.DOTENV) == values
    known = dotenv_values(stream=io.StringIO(text, None), interpolate=False)
    assert known == {name.upper().replace("-", "_"): value for name, value in values.items()}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain-1.2/x+y=", "DB_URL=plain-1.2/x+y="),
        ("", "DB_URL=''"),
        ("two words", "DB_URL='two words'"),
        ("a'b$c", "DB_URL='a\\'b$c'"),
        ("two\nlines", 'DB_URL="two\\nlines"'),
        ("`x`", "DB_URL='`x`'"),
        ("=", "DB_URL='='"),
    ],
)
def test_how_values_are_spelled(value: str, line: str) -> None:
    assert written({SecretName("db-url"): value}, Form.DOTENV) == line + "\n"


@pytest.mark.parametrize(("name", "value"), [("a--b", "x"), ("-a", "x"), ("a", "hidden\0y")])
def test_what_a_dotenv_file_cannot_hold_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"cannot hold {name} so") as refused:
        written({SecretName(name): value, SecretName("fine"): "1"}, Form.DOTENV)
    assert "hidden" not in str(refused.value)


def test_a_secret_of_kubernetes() -> None:
    text = written({SecretName("db-password"): "pä\n"}, Form.KUBERNETES, name="app", namespace="pay")
    assert yaml.safe_load(text) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "app", "namespace": "pay", "labels": {"app.kubernetes.io/managed-by": "holdfast"}},
        "type": "Opaque",
        "data": {"db-password": "cMOkCg=="},
    }
    for wrong in ("App", "a_b", "-a", "", "a" * 254, 'a"\nkind: x'):
        with pytest.raises(InvalidInput, match="Names in Kubernetes"):
            written({}, Form.KUBERNETES, name=wrong)
    with pytest.raises(InvalidInput, match="1,048,576 at most"):
        written({SecretName("a"): "x" * (MAX_KUBERNETES_BYTES + 1)}, Form.KUBERNETES)


def test_json_keeps_what_it_can_say_plainly() -> None:
    text = written({SecretName("a"): "ü\n"}, Form.JSON)
    assert (json.loads(text), "ü" in text) == ({"a": "ü\n"}, True)

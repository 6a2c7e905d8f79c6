"""Files: what they hold, and that a wrong or hostile one is refused by its line, without a value, in little memory."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInput
from holdfast.importing.files import MAX_FILE_BYTES, Format, read_file
from holdfast.importing.items import MAX_ITEMS, Item
from holdfast.importing.trees import Fields

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(9 * ['*' + before])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def written(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def values(items: list[Item]) -> dict[str, str]:
    return {each.source: each.versions[0].value.reveal() for each in items if not each.left_out}


def test_a_dotenv_file(tmp_path: Path) -> None:
    text = "\ufeff# a comment\nexport A=1\nB='x # y'\nC=\"two\nlines\"\nD=${A}\nE=\n"
    items = read_file(written(tmp_path, ".env", text))
    assert values(items) == {"A": "1", "B": "x # y", "C": "two\nlines", "D": "${A}"}
    assert {each.source for each in items if each.left_out} == {"E"}
    assert [each.source for each in items if each.note] == ["D"]
    assert values(read_file(tmp_path / ".env", allow_empty=True))["E"] == ""


def test_json_taken_apart_and_whole(tmp_path: Path) -> None:
    text = '{"db": {"password": "p", "port": 5432, "on": true}, "list": [1.10, "a"], "none": null, "big": 1e400}'
    file = written(tmp_path, "a.json", text)
    assert values(read_file(file)) == {
        "db.password": "p",
        "db.port": "5432",
        "db.on": "true",
        "list": '[1.10, "a"]',
        "big": "1e400",
    }
    whole = read_file(file, fields=Fields.JSON)
    assert values(whole)["db"] == '{"password": "p", "port": 5432, "on": true}'
    assert [each.content_type for each in whole if each.source == "db"] == ["application/json"]


def test_yaml_scalars_are_taken_as_they_are_written(tmp_path: Path) -> None:
    text = "a: 0123\nb: yes\nc: 2027-01-01\nd: ~\ne: 'x'\nf: &f {g: 1.50}\nh: *f\ni: |\n  two\n  lines\n"
    file = written(tmp_path, "a.yml", text)
    found = values(read_file(file))
    assert found == {
        "a": "0123",
        "b": "yes",
        "c": "2027-01-01",
        "e": "x",
        "f.g": "1.50",
        "h.g": "1.50",
        "i": "two\nlines\n",
    }
    assert values(read_file(file, fields=Fields.JSON))["f"] == '{"g": 1.50}'


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text(min_size=1), max_size=5))
def test_any_json_text_comes_back_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, str]) -> None:
    import json

    file = written(tmp_path_factory.mktemp("json"), "a.json", json.dumps(tree))
    assert values(read_file(file)) == tree


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (".env", "A=1\ns3cr3t of mine\n", "line 2"),
        (".env", "A=1\nA=s3cr3t\n", "lines 1 and 2"),
        (".env", b"A=s3cr3t\xff\n", "UTF-8"),
        ("a.json", '{"a": "s3cr3t",\n "b": s3cr3t}', "line 2"),
        ("a.json", '{"a": "s3cr3t", "a": "1"}', "twice"),
        ("a.json", '["s3cr3t"]', "no object"),
        ("a.json", '{"a": NaN}', "NaN"),
        ("a.json", '{"a": ' + 200_000 * "[", "too deeply"),
        ("a.json", '{"a": ' + 6_000 * "9" + "}", None),
        ("a.json", '{"' + "k" * 1_001 + '": {"b": "s3cr3t"}}', "longer than"),
        ("a.yaml", "a: s3cr3t\nb: [s3cr3t\n", "line 3"),
        ("a.yaml", "- s3cr3t\n", "no mapping"),
        ("a.yaml", "a: 1\na: s3cr3t\n", "line 2"),
        ("a.yaml", "a: !!python/object/apply:os.system [s3cr3t]\n", "line 1"),
        ("a.yaml", "a: !vault s3cr3t\n", "line 1"),
        ("a.yaml", "a: &a {b: s3cr3t}\nc:\n  <<: *a\n", "line 3"),
        ("a.yaml", "a: &a [*a]\n", "line 1"),
        ("a.yaml", "a: " + 3_000 * "[", "too deeply"),
        ("a.yaml", "a: s3cr3t\x00\n", "characters"),
        ("a.yaml", "#" * 1_000_001, "longer than"),
        ("a.json", "#" * (MAX_FILE_BYTES + 1), "longer than"),
        ("a.json", "{" + ", ".join(f'"k{each}": "v"' for each in range(MAX_ITEMS + 1)) + "}", "more than"),
        ("secrets", "A=s3cr3t", "--format"),
    ],
)
def test_a_wrong_or_hostile_file_is_refused(name: str, text: str | bytes, said: str | None, tmp_path: Path) -> None:
    file = written(tmp_path, name, text)
    if said is None:
        assert read_file(file)
        return
    with pytest.raises(InvalidInput) as refused:
        read_file(file)
    assert said in str(refused.value)
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__context__ is None or "s3cr3t" not in str(refused.value.__context__)


def test_a_file_that_is_not_there_and_one_whose_form_is_given(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_file(tmp_path / "none.env")
    assert values(read_file(written(tmp_path, "secrets", "A=1"), Format.DOTENV)) == {"A": "1"}


@pytest.mark.parametrize("text", [BOMB, "a: &a " + 200_000 * "s" + "\nb: [" + 100 * "*a, " + "]\n"])
def test_aliases_cannot_exhaust_memory(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, "a.yaml", text)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match=r"line [27] stands for more than 10,000,000 characters"):
            read_file(file, fields=Fields.JSON)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()

"""Names of a source become names in the grammar, one to one, or it is said why not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.names import canonical_name
from holdfast.domain.secret import SecretValue
from holdfast.errors import InvalidInput
from holdfast.importing.items import Content, Item, Selection
from holdfast.importing.naming import collisions, read_mapping, secret_name, selected

PREFIXES = st.sampled_from(["", "app-", "A" * 120])
SOURCES = st.one_of(
    st.text(max_size=140), st.from_regex(r"[A-Za-z_.-]{1,6}", fullmatch=True), st.from_regex(r"[A-Z]{120,130}")
)


def item(source: str) -> Item:
    return Item(source=source, origin=source, versions=(Content(value=SecretValue("x")),))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("DB_PASSWORD", "db-password"),
        ("app/db.pass word", "app-db-pass-word"),
        ("__x__", "x"),
        ("пароль", None),
        ("ÜMLAUT", None),
        ("_ß1", None),
        ("İ1", None),
        ("a--B-", "a--b-"),
        ("___", None),
        ("a" * 127, "a" * 127),
        ("a" * 128, None),
    ],
)
def test_what_becomes_of_a_name(source: str, name: str | None) -> None:
    assert secret_name(source) == name


@given(SOURCES, PREFIXES)
def test_a_name_is_within_the_grammar_or_there_is_none(source: str, prefix: str) -> None:
    name = secret_name(source, prefix)
    assert name is None or canonical_name(name) == name
    assert name is None or name.startswith(prefix.lower())


@given(st.lists(SOURCES, max_size=12, unique=True), PREFIXES)
def test_no_two_have_one_name_unless_that_is_said(sources: list[str], prefix: str) -> None:
    named = selected([item(each) for each in sources], Selection(prefix=prefix))
    said = {source for sharing in collisions(named).values() for source in sharing}
    names = [name for each, name in named if name is not None and each.source not in said]
    assert len(names) == len(set(names))
    assert all(any(len(group) > 1 and each in group for group in collisions(named).values()) for each in said)


def test_a_mapping_names_or_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text('A = "Other"\nB = false\n"c.d" = "e"\n')
    selection = Selection(mapping=read_mapping(file), prefix="app-")
    named = selected([item(each) for each in ("A", "B", "c.d", "F")], selection)
    assert [(each.source, name) for each, name in named] == [("A", "other"), ("c.d", "e"), ("F", "app-f")]


@pytest.mark.parametrize("text", ["A = 3", 'A = "s3cr_t"', "A = true", "A =", "A = " + 100_000 * "["])
def test_a_wrong_mapping_is_refused_without_repeating_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match="--map") as refused:
        read_mapping(file)
    assert "s3cr_t" not in str(refused.value)


@pytest.mark.parametrize("selection", [Selection(patterns=["X*"]), Selection(mapping={"X": None})])
def test_what_is_about_nothing_is_a_slip(selection: Selection) -> None:
    with pytest.raises(InvalidInput):
        selected([item("A")], selection)

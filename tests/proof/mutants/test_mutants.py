"""The table of breaks is about the product as it is, and about tests that are there."""

import re

import pytest

from tests.proof.mutants.__main__ import ROOT, Break, breaks, broken


def test_every_promise_is_broken_once_at_least() -> None:
    assert {each.promise for each in breaks()} == {f"I{number}" for number in range(1, 17)}


@pytest.mark.parametrize("each", breaks(), ids=lambda each: f"{each.promise} {each.says}")
def test_a_break_still_applies(each: Break) -> None:
    assert each.source.read_text().count(each.text) == 1
    assert each.text != each.becomes
    file, _, name = each.test.partition("::")
    written = (ROOT / file).read_text()
    assert not name or re.search(rf"^(async )?def {name}\(", written, re.MULTILINE)


def test_a_broken_product_differs_in_one_file() -> None:
    one = breaks()[0]
    with broken(one) as folder:
        assert one.becomes in (folder / "holdfast" / one.file).read_text()
        other = next(each for each in breaks() if each.file != one.file)
        assert (folder / "holdfast" / other.file).read_text() == other.source.read_text()

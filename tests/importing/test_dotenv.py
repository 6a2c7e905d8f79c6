"""``.env`` files: each value is python-dotenv's, or the file is refused by a line; no byte of a value is told."""

import base64
import io
import random
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInput
from holdfast.importing.dotenv import read_dotenv
from holdfast.importing.files import read_file

_BYTES = random.Random(5)
KUBECONFIG = base64.encodebytes(_BYTES.randbytes(100)).decode()
"""Two lines: 76 characters, and the rest with its padding."""


def read(text: str) -> dict[str, str]:
    return {each.name: each.value for each in read_dotenv(text, ".env")}


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("export A=1\nB='x # y'\nC=x # y\n", {"A": "1", "B": "x # y", "C": "x"}),
        ('K="--BEGIN X--\r\nAAA\r\n--END X--"\r\nB=1\r\n', {"K": "--BEGIN X--\nAAA\n--END X--", "B": "1"}),
        (r'A="a\tb\"c\\n"', {"A": 'a\tb"c\\n'}),
        (f'A="{KUBECONFIG}"', {"A": KUBECONFIG}),
        ("ÜMLAUT=1\nspring.datasource.url=2\n2FA=3\nconnectionString=4\nstorageAccountKey1=5", None),
        (f"HEX={64 * 'a'}\nAPI=\nAPIKEYS=\nSHORT=abc", None),
        (f'QUOTED="{KUBECONFIG.splitlines()[0]}"\nAPI=', None),
    ],
)  # fmt: skip
def test_what_a_file_says(text: str, values: dict[str, str] | None) -> None:
    known = {
        key: value or "" for key, value in dotenv_values(stream=io.StringIO(text, None), interpolate=False).items()
    }
    assert read(text) == known
    assert values is None or values == known


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\nEXTRA\n", 2),
        ("A=1\n\n  \nexport EXTRA\n", 4),
        (f"K={KUBECONFIG}", 2),
        (f"K={base64.encodebytes(_BYTES.randbytes(99)).decode()}B=1\n", 2),
        (f"A=1\nK=\n{KUBECONFIG.splitlines()[1]}\n", 3),
        (f"K={base64.b32encode(_BYTES.randbytes(70)).decode()[:64]}\nGEZDGNBVGY3TQOJQ======\n", 2),
        ("K=x\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC=\n", 2),
        ("K=-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END X-----\n", 2),
        ('K={\n  "a"="b"\n}\n', 2),
        ("KEY=`first\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n`\n", 1),
        ("A=1\nKEY=`one line`\n", 2),
        ("A=1\nB=a\0b\n", 2),
        ("A==\n", 1),
        ("A: 1\n", 1),
        ("[section]\nA=1\n", 1),
        ('A="1\nB=2\n', 1),
        ("A='1' B='2'\n", 1),
        ("'a b'=1\n", 1),
        ("a/b=1\n", 1),
    ],
)
def test_what_is_no_assignment_is_refused_by_its_line_and_not_shown(text: str, line: int) -> None:
    said = refusal(text)
    assert f".env line {line} " in said
    assert "Nothing was imported." in said
    assert [each for each in text.split() if len(each) >= 4 and each in said] == []


LINES = st.one_of(
    st.tuples(st.sampled_from(["A", "export B", "C_D", "ü", "e.f-g", "AbCdEf"]), st.text(max_size=90)).map("=".join),
    st.text(max_size=40),
    st.sampled_from([*KUBECONFIG.splitlines(), "", "# a comment", '"', "'", "`", "K=`", "\0", "\x85x", "\u2028"]),
    st.binary(max_size=90).map(lambda data: "K=" + base64.encodebytes(data).decode()),
)  # fmt: skip


@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r", ""])), max_size=6))
def test_any_text_gives_the_values_of_python_dotenv_or_is_refused(lines: list[tuple[str, str]]) -> None:
    text = "".join(line + end for line, end in lines)
    known = dotenv_values(stream=io.StringIO(text, None), interpolate=False)
    said = ""
    try:
        assert read(text) == known
    except InvalidInput as refused:
        said = str(refused)
    number = said.removeprefix(".env line ").partition(" ")[0]
    assert not said or int(number) <= text.count("\n") + text.count("\r") + 1
    assert not any(value in said for value in known.values() if value and len(value) > 12)


@given(st.binary(min_size=30, max_size=400), st.sampled_from([40, 60, 64, 72, 76]), st.booleans())
def test_no_line_of_a_wrapped_base64_text_is_taken_for_a_name(data: bytes, width: int, begins_at_once: bool) -> None:
    text = base64.b64encode(data).decode()
    wrapped = [text[at : at + width] for at in range(0, len(text), width)]
    source = f"K={wrapped[0]}\n" if begins_at_once else f"K=\n{wrapped[0]}\n"
    source += "".join(f"{each}\n" for each in wrapped[1:])
    if begins_at_once and len(wrapped) == 1:
        assert read(source) == {"K": text}
    else:
        assert "Nothing was imported." in refusal(source)


def test_the_file_is_read_with_the_line_ends_of_every_system(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b'\xef\xbb\xbfK="a\r\nb\rc"\r\nB=1\r\n')
    items = read_file(tmp_path / ".env")
    assert {each.source: each.versions[0].value.reveal() for each in items} == {"K": "a\nb\nc", "B": "1"}

"""The key that an installation makes for itself."""

import os
from pathlib import Path

import pytest

from holdfast.embedded.keyfile import FILE_NAME, load_or_make_keys
from holdfast.errors import StartupError


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    key = load_or_make_keys(tmp_path)
    assert load_or_make_keys(tmp_path) == key
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_start_that_was_killed_while_making_the_key_hinders_none_of_the_same_process_id(tmp_path: Path) -> None:
    """In a container every start has the same process id."""
    (tmp_path / FILE_NAME).with_suffix(f".{os.getpid()}.new").write_text("torn")
    ((_, key),) = load_or_make_keys(tmp_path)
    assert len(key) == 44
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_or_make_keys(tmp_path)
    (tmp_path / FILE_NAME).chmod(0o640)
    with pytest.raises(StartupError, match="chmod 600"):
        load_or_make_keys(tmp_path)

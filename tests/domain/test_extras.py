"""An extra that is missing is named; what else cannot be imported is not put down to it."""

import pytest

from holdfast.domain.extras import needing, to_add
from holdfast.errors import StartupError


@pytest.mark.parametrize("package", [None, "absent_package"])
def test_a_missing_extra_is_named(package: str | None) -> None:
    with pytest.raises(StartupError, match="Reading needs an extra") as refused, needing("Reading", "books", package):
        import absent_package.pages  # type: ignore[import-not-found]  # noqa: F401
    assert to_add("books") in str(refused.value)


def test_another_package_that_is_missing_shows_itself() -> None:
    with pytest.raises(ImportError, match="absent_package"), needing("Reading", "books", "azure"):
        import absent_package  # noqa: F401

"""The page for developers: the wheel, a server that someone else runs, and the library by itself."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.walk import walk


@pytest.mark.timeout(600)
async def test_the_page_for_developers_is_walked(release: Path, server: Mapping[str, str], empty: str) -> None:
    places = {**server, "postgresql://app:example@db.example/app": empty}
    await asyncio.to_thread(walk, "developer", release, places)

"""The settings of a command that works on a database, as the shell would have them."""

from pathlib import Path

from tests.support.world import KEY


def environment(database_url: str, folder: Path, **more: str) -> dict[str, str]:
    """Nothing but what is needed and ``more``, with data and home below ``folder``."""
    return {
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(folder / "data"),
        "HOME": str(folder),
        **more,
    }

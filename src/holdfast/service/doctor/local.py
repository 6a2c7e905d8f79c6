"""Judging what lies on this machine: settings, files, disk space."""

from collections.abc import Iterator, Sequence
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, skipped, warning
from holdfast.ports.inspection import FileFacts, FolderFacts

LITTLE_BYTES: Final = 1 << 30
"""A gibibyte: PostgreSQL's own log may take a quarter of it before it is recycled (``max_wal_size``)."""

NEARLY_NONE_BYTES: Final = 128 << 20
LITTLE_SHARE: Final = 0.05

_EVERY_FAULT: Final = "A node refuses to start with it."


def settings_findings(faults: Sequence[str], variables: int | None) -> list[Finding]:
    """Judge the settings: every fault at once. ``variables``: how many are given, if the environment gives them."""
    if not faults and variables is None:
        return [ok("settings", "Those that this node runs with do not contradict each other.")]
    if not faults:
        return [ok("settings", f"{variables} given, none unknown, none contradicts another.")]
    return [
        failure("settings", fault, why=_EVERY_FAULT, fix="Set it right; docs/operations.md lists all settings.")
        for fault in faults
    ]


def folder_findings(folder: FolderFacts) -> list[Finding]:
    """Judge the data folder: who may read what, and whether there is room."""
    found = [*(_file(each, folder.user) for each in folder.files if each.mode is not None)]
    bad = [finding for finding in found if finding is not None]
    private = [] if bad else [ok("files", f"{folder.root}: what is private there is closed to others.")]
    if not any(each.mode is not None for each in folder.files):
        private = [ok("files", f"{folder.root} does not exist yet; `holdfast init` makes it.")]
    return [*bad, *private, *_space(folder), *_local_log(folder)]


def _file(file: FileFacts, user: int) -> Finding | None:
    open_to = (file.mode or 0) & ~file.allowed & 0o077
    if file.is_folder and not open_to & 0o022:
        return _listable(file) if open_to else None
    if open_to:
        return failure(
            "files",
            f"{file.path} is open to others (mode {file.mode:04o}).",
            why="Whoever could read or replace it may hold the key, and with it every secret in the database.",
            fix=f"chmod {file.allowed & 0o700:o} {file.path}; then take what is in it for known, and rotate it.",
        )
    if file.owner is not None and file.owner not in (user, 0):
        return failure(
            "files",
            f"{file.path} belongs to user {file.owner}, and this is user {user}.",
            why="A node of this user cannot rely on it, and may not be able to read it.",
            fix=f"Run Holdfast as user {file.owner}, or choose another folder with HOLDFAST_DATA_DIR.",
        )
    return None


def _listable(folder: FileFacts) -> Finding:
    return warning(
        "files",
        f"{folder.path} can be entered by others (mode {folder.mode:04o}).",
        why="What is private in it has modes of its own, but nothing there is anybody else's to see.",
        fix=f"chmod {folder.allowed & 0o700:o} {folder.path}",
    )


def _space(folder: FolderFacts) -> Iterator[Finding]:
    if folder.free_bytes is None or folder.total_bytes is None:
        return
    share = folder.free_bytes / max(1, folder.total_bytes)
    text = f"{folder.free_bytes / 2**30:.1f} GiB free on the disk of {folder.root} ({share:.0%})."
    why = (
        "Without room the embedded PostgreSQL refuses changes, and without PostgreSQL and the local audit log nothing "
        "is disclosed."
    )
    fix = "Make room, or move the folder to a larger disk; docs/troubleshooting.md, 'Nothing is disclosed'."
    if folder.free_bytes < NEARLY_NONE_BYTES:
        yield failure("disk", text, why=why, fix=fix)
    elif folder.free_bytes < LITTLE_BYTES or share < LITTLE_SHARE:
        yield warning("disk", text, why=why, fix=fix)
    else:
        yield ok("disk", text)


def _local_log(folder: FolderFacts) -> Iterator[Finding]:
    if folder.damaged:
        yield warning(
            "audit",
            f"{folder.damaged} damaged file(s) of the local audit log in {folder.root / 'audit'}.",
            why="What was whole of them has been shipped; the rest has no place in the trail.",
            fix="Look at the `.damaged` files, keep them as evidence elsewhere, then move them away.",
        )
    if folder.unshipped:
        yield warning(
            "audit",
            f"{folder.unshipped} file(s) of the local audit log wait for PostgreSQL.",
            why="They are the only record of what was disclosed during an outage.",
            fix="Start a node on this data folder with PostgreSQL up: it ships them within seconds. Never delete them.",
        )


def not_looked_at(check: str, variables: Sequence[str]) -> list[Finding]:
    """Return that a check needs settings that are unusable."""
    return [skipped(check, f"Not looked at: {', '.join(variables)} is at fault, see settings.")]

"""What someone may have meant by a word that is no command, or no option. The word itself is never repeated."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click

_MOST: Final = 3
"""Suggestions in one error; of more, none is a good one."""

_MINIMUM: Final = 3
"""Characters that a beginning of a name needs, to be taken for one."""

_OF_OTHERS: Final = {
    "ls": "list",
    "rm": "delete",
    "undelete": "recover",
    "read": "get",
    "write": "set",
    "put": "set",
    "secret": "list",
    "secrets": "list",
    "exec": "run",
    "log": "audit",
    "logs": "audit",
    "users": "identity",
    "user": "identity",
    "mfa": "totp",
    "start": "serve",
    "server": "serve",
    "settings": "help",
    "profile": "context",
    "context add": "login",
    "context create": "login",
    "context set": "login",
    "context current": "whoami",
    "context show": "whoami",
}
"""What command lines of Vault, Doppler, Infisical, AWS and Unix call it."""

_SAME: Final = (
    frozenset({"--name", "--secret", "--names"}),
    frozenset({"--user", "--identity", "--subject", "--username", "--who"}),
    frozenset({"--ttl", "--expires", "--expiry", "--valid-for", "--for"}),
    frozenset({"--since", "--after", "--start"}),
    frozenset({"--until", "--before", "--end", "--to"}),
    frozenset({"--yes", "--force", "--no-confirm", "--assume-yes"}),
    frozenset({"--json", "--output", "--format"}),
    frozenset({"--addr", "--address", "--server", "--url", "--host"}),
    frozenset({"--limit", "--max", "--count", "--page-size"}),
    frozenset({"--tag", "--label", "--tags", "--labels"}),
    frozenset({"--file", "--from-file", "--input"}),
)
"""Options that say the same; a command has one of each."""


def commands_for(word: str, ctx: click.Context) -> list[str]:
    """Return what may be meant by a word at ``ctx``: names in its group, and paths from the root elsewhere."""
    word, here = word.lower(), _path_of(ctx)
    known = list(_paths(ctx.find_root().command))
    other = _OF_OTHERS.get(" ".join((*here, word)))
    if here and other is not None:
        return [_spelt((other,))]
    near = [path[-1] for path in known if path[:-1] == here and (_is_near(word, path[-1]) or path == (other,))]
    elsewhere = [path for path in known if path[:-1] != here]
    same = [path for path in elsewhere if path[-1] == word or path == (other,)]
    found = [*near, *map(_spelt, same)] or [_spelt(path) for path in elsewhere if _is_near(word, path[-1])]
    # Within a group, its own names say more than several commands elsewhere.
    return found if len(found) <= (1 if here and not near else _MOST) else []


def options_for(option: str, command: click.Command) -> list[str]:
    """Return what may be meant by an option of a command: one at most."""
    known = [
        name for each in command.params if isinstance(each, click.Option) and not each.hidden for name in each.opts
    ]
    same = next((each for each in _SAME if option in each), frozenset[str]())
    found = [name for name in known if name in same] or [name for name in known if _is_near(option, name)]
    return found[:1]


def question(found: Sequence[str]) -> str:
    """Return the sentence that suggests something; empty if there is nothing."""
    return f"Did you mean {' or '.join(found)}?" if found else ""


def _paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to each command below one."""
    for name, each in command.commands.items() if isinstance(command, click.Group) else ():
        yield (*path, name)
        yield from _paths(each, (*path, name))


def _path_of(ctx: click.Context) -> tuple[str, ...]:
    path: list[str] = []
    while ctx.parent is not None:
        path.insert(0, str(ctx.info_name))
        ctx = ctx.parent
    return tuple(path)


def _spelt(path: Iterable[str]) -> str:
    return " ".join(("holdfast", *path))


def _is_near(word: str, name: str) -> bool:
    bare, known = word.lstrip("-"), name.lstrip("-")
    if len(bare) >= _MINIMUM and known.startswith(bare):
        return True
    # One slip; two in a long word. `report` is two away from `export`, and is none.
    allowed = 2 if min(len(bare), len(known)) > 7 else 1
    return abs(len(bare) - len(known)) <= allowed and _slips(bare, known) <= allowed


def _slips(one: str, other: str) -> int:
    """Letters missing, added, wrong or exchanged with the next (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        further = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(row[j] + 1, further[j - 1] + 1, row[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            further.append(cost)
        before, row = row, further
    return row[-1]

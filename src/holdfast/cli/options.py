"""Options that describe a secret, shared by ``set`` and ``update``."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from holdfast.cli import inputs
from holdfast.domain.secret import RotationPolicy
from holdfast.domain.validation import MAX_GENERATION, MAX_INTERVAL_DAYS

F = TypeVar("F", bound=Callable[..., Any])

OUTSIDE_VALIDITY: Final = {"serve": False, "refuse": True, "default": None}

_DESCRIBING: Final = (
    click.option("--description", metavar="TEXT", help="What it is for."),
    click.option("--content-type", metavar="TYPE", help="Such as application/x-pem-file."),
    click.option("--expires", "expires_at", type=inputs.moment, metavar="WHEN", help="2027-01-31T00:00Z, or 90d."),
    click.option("--not-before", type=inputs.moment, metavar="WHEN", help="When it becomes valid."),
    click.option("--tag", "tags", type=inputs.tag, multiple=True, metavar="KEY=VALUE", help="Repeatable."),
    click.option("--notify", multiple=True, metavar="ADDRESS", help="Whom to tell before it expires; repeatable."),
    click.option(
        "--rotate-every", type=inputs.whole(1, MAX_INTERVAL_DAYS), metavar="DAYS", help="The rotation interval."
    ),
    click.option(
        "--notify-before", type=inputs.whole(0, MAX_INTERVAL_DAYS), metavar="DAYS", help="With --rotate-every [14]."
    ),
    click.option("--rotate-with", metavar="HANDLER", help="With --rotate-every: a built-in handler, such as random."),
    click.option(
        "--rotate-option",
        "rotate_options",
        type=inputs.tag,
        multiple=True,
        metavar="KEY=VALUE",
        help="With --rotate-with: what it works on; never a credential. Repeatable.",
    ),
    click.option(
        "--retire-after",
        type=inputs.whole(1, MAX_INTERVAL_DAYS),
        metavar="DAYS",
        help="With --rotate-every: revoke the old credential then, whoever still uses it; without, a person decides.",
    ),
    click.option("--auto-rotate", is_flag=True, help="With --rotate-every: rotate without asking a person."),
    click.option(
        "--outside-validity",
        type=inputs.one_of(*OUTSIDE_VALIDITY),
        metavar="|".join(OUTSIDE_VALIDITY),
        help="Serve or refuse it when expired or not yet valid; default: HOLDFAST_REFUSE_OUTSIDE_VALIDITY decides.",
    ),
)
_EXPECTING: Final = click.option(
    "--expected-version",
    type=inputs.whole(0, MAX_GENERATION),
    metavar="N",
    help="Refuse unless this is the current version; 0: unless there is none.",
)


def describing(command: F) -> F:
    """Add the options to a command."""
    return describing_many(_EXPECTING(command))


def describing_many(command: F) -> F:
    """Add those that can be the same for several secrets to a command."""
    for option in reversed(_DESCRIBING):
        command = option(command)
    return command


def facts(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments that the options give; what was not given is left out."""
    found = {name: described[name] for name in ("description", "content_type", "expires_at", "not_before")}
    found["tags"] = tag_map(described["tags"]) or None
    found["notify_on_expiry"] = described["notify"] or None
    found["expected_generation"] = described.get("expected_version")
    found["rotation_policy"] = rotation_policy(described)
    given = {name: value for name, value in found.items() if value is not None}
    if described["outside_validity"] is not None:
        given["refuse_outside_validity"] = OUTSIDE_VALIDITY[described["outside_validity"]]
    return given


def rotation_policy(described: Mapping[str, Any]) -> RotationPolicy | None:
    """Return the policy that the options describe, or None when none was given."""
    every, notify_before = described["rotate_every"], described["notify_before"]
    handler, given, retire_after = described["rotate_with"], described["rotate_options"], described["retire_after"]
    auto: bool = described["auto_rotate"]
    if every is None:
        if auto or given or any(each is not None for each in (notify_before, handler, retire_after)):
            raise click.UsageError("The other options on rotation need --rotate-every.")
        return None
    return RotationPolicy(
        interval_days=every,
        notify_days_before=min(14, every) if notify_before is None else notify_before,
        auto_rotate=auto,
        handler=handler,
        options=tag_map(given, "--rotate-option"),
        retire_after_days=retire_after,
    )


def tag_map(tags: tuple[tuple[str, str], ...], option: str = "--tag") -> dict[str, str]:
    """Return the pairs as a mapping; a key given twice is a slip that would lose one of them."""
    mapping = dict(tags)
    if len(mapping) != len(tags):
        raise click.UsageError(f"{option} names the same key twice.")
    return mapping

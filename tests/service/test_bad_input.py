"""I14: whatever a caller hands in that is no good is refused by name, and nothing is written."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from holdfast import AccessContext, RotationPolicy
from holdfast.errors import InvalidInput, Unauthenticated
from tests.support.node import rows, service_on

NOW = datetime.now(UTC)
LATEST = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))

CALLS: dict[str, tuple[str | None, Callable[[Any], Awaitable[object]]]] = {
    "a name of another type": ("name", lambda s: s.get_secret(5)),
    "no name": ("name", lambda s: s.get_secret(None)),
    "a name in bytes": ("name", lambda s: s.get_secret(b"x")),
    "a letter that only looks like one": ("name", lambda s: s.get_secret("\N{KELVIN SIGN}")),
    "a name that goes on": ("name", lambda s: s.get_secret("x\n")),
    "a long name": ("name", lambda s: s.delete_secret("x" * 128)),
    "a value in bytes": ("value", lambda s: s.set_secret("x", b"v")),
    "a value too long in UTF-8": ("value", lambda s: s.set_secret("x", "é" * 12_801)),
    "a value that is no text": ("value", lambda s: s.set_secret("x", "\ud800")),
    "tags in a list": ("tags", lambda s: s.set_secret("x", "v", tags=["a"])),
    "too many tags": ("tags", lambda s: s.set_secret("x", "v", tags={str(i): "" for i in range(16)})),
    "a tag that is a number": ("tags", lambda s: s.set_secret("x", "v", tags={"a": 1})),
    "a date without a zone": ("expires_at", lambda s: s.set_secret("x", "v", expires_at=NOW.replace(tzinfo=None))),
    "a day": ("expires_at", lambda s: s.set_secret("x", "v", expires_at=date(2030, 1, 1))),
    "a date after all years": ("expires_at", lambda s: s.set_secret("x", "v", expires_at=LATEST)),
    "never valid": ("expires_at", lambda s: s.set_secret("x", "v", expires_at=NOW, not_before=NOW)),
    "a policy that is a mapping": ("rotation_policy", lambda s: s.set_secret("x", "v", rotation_policy={})),
    "an interval of text": (
        "rotation_policy.interval_days",
        lambda s: s.set_secret("x", "v", rotation_policy=RotationPolicy(interval_days="x")),  # type: ignore[arg-type]
    ),
    "addresses without end": (
        "notify_on_expiry",
        lambda s: s.set_secret("x", "v", notify_on_expiry=("a@b.example" for _ in iter(int, 1))),
    ),
    "a generation beyond all": ("expected_generation", lambda s: s.set_secret("x", "v", expected_generation=2**63)),
    "an empty key": ("idempotency_key", lambda s: s.set_secret("x", "v", idempotency_key="")),
    "a word for a flag": ("enabled", lambda s: s.set_secret("x", "v", enabled="no")),
    "a context of text": ("context", lambda s: s.get_secret("x", context="bob")),
    "a context without identity": ("user_id", lambda s: s.get_secret("x", context=AccessContext(user_id=""))),
    "a flag for a version": ("version", lambda s: s.get_secret_version("x", True)),
    "a version of words": ("version", lambda s: s.get_secret_version("x", "newest")),
    "nothing to list": ("limit", lambda s: s.list_secrets(limit=0)),
    "a backup in text": ("backup", lambda s: s.restore_secret("blob")),
    "a backup of junk": ("backup", lambda s: s.restore_secret(b"junk")),
    "an unknown permission": ("permissions", lambda s: s.grant_access("x", "bob", ["fly"])),
    "no permissions": ("permissions", lambda s: s.grant_access("x", "bob", None)),
    "a pattern of two stars": ("name", lambda s: s.grant_access("a*b*", "bob", ["get"])),
    "a grant that is over": ("expires_at", lambda s: s.grant_access("x", "bob", ["get"], expires_at=NOW)),
    "a history of words": ("limit", lambda s: s.get_access_history("x", "ten")),
    "days before today": ("days", lambda s: s.check_expiring_secrets(-1)),
    "one text for many names": ("names", lambda s: s.warm_cache("database")),
    "no names": ("names", lambda s: s.warm_cache(None)),
    "a word for a decision": ("retry", lambda s: s.reconcile(retry="yes")),
    "a word for a question": ("probe", lambda s: s.get_secret_health(probe="yes")),
}


async def test_i14_every_argument_is_refused_by_name(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.set_secret("x", "v")
        for what, (field, call) in CALLS.items():
            with pytest.raises(InvalidInput) as refused:
                await call(service)
            assert refused.value.field == field, what
            assert str(refused.value), what
            assert len(str(refused.value)) < 300, what
        assert (await service.get_secret("x")).version == 1
    assert await rows(database_url, "SELECT secret_name, version FROM secrets_vault") == [("x", 1)]
    assert await rows(database_url, "SELECT 1 FROM secret_access_control") == []


@pytest.mark.parametrize(("client", "secret"), [(None, None), ("app", None), ("app", b"x"), (7, "x"), ("\0", "\ud800")])
async def test_i14_nobody_logs_in_with_nonsense(client: Any, secret: Any, database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        with pytest.raises(Unauthenticated):
            await service.authenticate_client(client, secret)

"""I7: whichever tier would answer, the decision is the same, and so is the refusal."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from holdfast.domain.policy import Caller
from holdfast.domain.secret import Source
from holdfast.errors import AccessDenied
from tests.support.node import Inside, opened, within
from tests.support.scripted_vault import ScriptedVault

CALLERS = {
    "granted": Caller("granted"),
    "reader": Caller("reader"),
    "member": Caller("member", groups=frozenset({"devs"})),
    "nobody": Caller("nobody"),
    "writer": Caller("writer"),
    "revoked": Caller("revoked"),
    "expired": Caller("expired"),
    "elsewhere": Caller("elsewhere"),
    "former": Caller("former"),
}
ALLOWED = {"granted", "reader", "member"}


async def prepared(node: Inside) -> None:
    """A secret in its second life, and every kind of caller."""
    service, access = node.service, node.service.access
    await service.set_secret("k", "first")
    await service.grant_access("k", "former", ["get"])
    await service.delete_secret("k")
    await service.purge_secret("k")
    await service.set_secret("k", "v")
    await service.grant_access("k", "granted", ["get"])
    await access.assign_role("reader", "reader", "*")
    await access.assign_role("group:devs", "reader", "k*")
    await service.grant_access("k", "writer", ["set", "list", "rotate", "grant"])
    await service.grant_access("k", "revoked", ["get"])
    await service.revoke_access("k", "revoked")
    await service.grant_access("k", "expired", ["get"], expires_at=datetime.now(UTC) + timedelta(seconds=2))
    await service.grant_access("other", "elsewhere", ["get"])

    async def expired() -> bool:
        return not await service.check_access("k", "expired", "get")

    await within(5, expired)


async def test_i7_every_tier_decides_alike(
    database_url: str, redis_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    async with opened(database_url, tmp_path, scripted, redis_url=redis_url) as node:
        await prepared(node)
        shared = node.parts.shared
        assert shared is not None

        async def forget() -> None:
            await node.parts.local.clear()
            await shared.clear()

        answers: dict[Source, dict[str, str]] = {}
        for source in (Source.KEYVAULT, Source.CACHE, Source.REDIS, Source.MIRROR):
            async with scripted.refusing() if source is Source.MIRROR else nullcontext():
                answers[source] = {}
                for name, caller in CALLERS.items():
                    if source in (Source.KEYVAULT, Source.MIRROR):
                        await forget()
                    else:
                        await node.service.get_secret("k")
                    if source is Source.REDIS:
                        await node.parts.local.clear()
                    answers[source][name] = await answer(node, caller)
        expected = answers[Source.KEYVAULT]
        refusals = {name: text for name, text in expected.items() if name not in ALLOWED}
        for source, found in answers.items():
            assert {name for name, text in found.items() if text.startswith("v ")} == ALLOWED
            assert {text.split()[1] for text in found.values() if text.startswith("v ")} == {source}
            assert {name: text for name, text in found.items() if name not in ALLOWED} == refusals


async def answer(node: Inside, caller: Caller) -> str:
    """The value and the tier it came from, or the refusal in full."""
    try:
        secret = await node.service.get_secret("k", context=caller)
    except AccessDenied as error:
        return str(error)
    return f"{secret.value} {secret.source}"

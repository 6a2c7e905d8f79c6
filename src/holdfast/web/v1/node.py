"""The installation: health, expiry, caches, and what waits for Key Vault."""

from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta

from holdfast.errors import Conflict
from holdfast.service.installation.reports import ExpiringSecret
from holdfast.service.vault.reconciliation import ReconcileReport
from holdfast.v1_wire.documents import Page, Request
from holdfast.v1_wire.node import (
    DiscardIntents,
    DriftDocument,
    ExpiringDocument,
    HealthDocument,
    IntentDocument,
    IntentsDocument,
    InvalidateCache,
    KeptOutDocument,
    NodeDocument,
    NodesDocument,
    SyncDocument,
    WarmCache,
    Warmed,
    WhoAmIDocument,
)
from holdfast.web.v1.cursors import cut
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, Operation
from holdfast.web.v1.paging import Paged, paged, position


class PagedExpiring(Paged):
    """Which page, and how far ahead to look."""

    days: Annotated[int, Meta(ge=0, le=3_650, description="How many days ahead to look.")] = 30


class HowClosely(Request):
    """Whether to ask every backend now, rather than say how it was when it was last needed."""

    probe: bool = False


async def health(call: Call) -> Answer:
    """The state of everything."""
    probe: bool = call.query.probe
    return Answer(HealthDocument.of(await call.service.get_secret_health(probe=probe, context=call.caller)))


async def whoami(call: Call) -> Answer:
    """Who asks."""
    return Answer(WhoAmIDocument.of(await call.service.whoami(context=call.caller)))


async def nodes(call: Call) -> Answer:
    """Who serves."""
    found = await call.service.list_nodes(context=call.caller)
    return Answer(NodesDocument(items=[NodeDocument.of(node) for node in found]))


async def expiring(call: Call) -> Answer:
    """A page of what expires, or has, soonest first."""
    days: int = call.query.days
    after = position(call, str(days))
    found = await call.service.check_expiring_secrets(days, context=call.caller)
    page, end = cut(sorted(found, key=_expiry), call.query.limit, after, _expiry)
    return paged(call, map(ExpiringDocument.of, page), end, str(days))


async def warm_cache(call: Call) -> Answer:
    """How many secrets are warm."""
    body: WarmCache = call.body
    return Answer(Warmed(warmed=await call.service.warm_cache(body.names, context=call.caller)))


async def invalidate_cache(call: Call) -> Answer:
    """The caches know less."""
    body: InvalidateCache = call.body
    await call.service.invalidate_cache(body.name, context=call.caller)
    return Answer()


async def sync(call: Call) -> Answer:
    """One pass over Key Vault."""
    return Answer(SyncDocument.of(await call.service.sync(context=call.caller)))


async def intents(call: Call) -> Answer:
    """What waits."""
    return _intents(await call.service.reconcile(context=call.caller))


async def retry_intents(call: Call) -> Answer:
    """What still waits after another try."""
    return _intents(await call.service.reconcile(retry=True, context=call.caller))


async def discard_intents(call: Call) -> Answer:
    """What still waits after some were given up."""
    body: DiscardIntents = call.body
    return _intents(await call.service.reconcile(discard=body.name, context=call.caller))


def _names(body: WarmCache) -> int:
    return len(body.names)


def _intents(report: ReconcileReport) -> Answer:
    return Answer(
        IntentsDocument(
            drifting=[DriftDocument.of(head) for head in report.drifting],
            parked=[IntentDocument.of(intent) for intent in report.parked],
            waiting=[IntentDocument.of(intent) for intent in report.waiting],
            open=report.open,
            conflicts=report.conflicts,
            retried=report.retried,
            discarded=report.discarded,
            kept_out=[KeptOutDocument.of(kept) for kept in report.kept_out],
        )
    )


def _expiry(entry: ExpiringSecret) -> str:
    return f"{entry.expires_at.isoformat()} {entry.secret_name}"


_TAG: Final = "Installation"

OPERATIONS: Final = (
    Operation(
        id="getHealth",
        method="GET",
        path="/v1/health",
        summary="See totals, the state of every backend, what waits for Key Vault, and what to do about it",
        needs="`operate`, `list` or `audit` on `*`",
        tag=_TAG,
        handle=health,
        query=HowClosely,
        answer=HealthDocument,
    ),
    Operation(
        id="whoAmI",
        method="GET",
        path="/v1/whoami",
        summary="See who you are here, how that was proven, and which installation answers",
        needs="a login",
        tag=_TAG,
        handle=whoami,
        answer=WhoAmIDocument,
    ),
    Operation(
        id="listNodes",
        method="GET",
        path="/v1/nodes",
        summary="See which nodes serve, and how each finds its backends",
        needs="`operate` on `*`",
        tag=_TAG,
        handle=nodes,
        answer=NodesDocument,
    ),
    Operation(
        id="listExpiring",
        method="GET",
        path="/v1/expiring",
        summary="List secrets that expire within some days, or have expired, soonest first",
        needs=SOMEBODY,
        tag=_TAG,
        handle=expiring,
        query=PagedExpiring,
        answer=Page[ExpiringDocument],
    ),
    Operation(
        id="warmCache",
        method="POST",
        path="/v1/cache:warm",
        summary="Read secrets into the caches ahead of need",
        needs="a login; `get` on each secret",
        tag=_TAG,
        handle=warm_cache,
        body=WarmCache,
        cost=_names,
        answer=Warmed,
    ),
    Operation(
        id="invalidateCache",
        method="POST",
        path="/v1/cache:invalidate",
        summary="Let the next read of a secret ask Key Vault, on every node; without a name, empty this node's caches",
        needs="`list` on the secret; without a name `operate` on `*`",
        tag=_TAG,
        handle=invalidate_cache,
        body=InvalidateCache,
        status=HTTPStatus.NO_CONTENT,
    ),
    Operation(
        id="sync",
        method="POST",
        path="/v1/sync",
        summary="Compare the mirror with the whole Key Vault now, and take over what changed there",
        needs="`operate` on `*`",
        tag="Key Vault",
        handle=sync,
        answer=SyncDocument,
        errors=(Conflict,),
    ),
    Operation(
        id="getIntents",
        method="GET",
        path="/v1/intents",
        summary="See what waits for Key Vault or for a person",
        needs="`operate` on `*`",
        tag="Key Vault",
        handle=intents,
        answer=IntentsDocument,
    ),
    Operation(
        id="retryIntents",
        method="POST",
        path="/v1/intents:retry",
        summary="Try once more what Key Vault refused",
        needs="`operate` on `*`",
        tag="Key Vault",
        handle=retry_intents,
        answer=IntentsDocument,
    ),
    Operation(
        id="discardIntents",
        method="POST",
        path="/v1/intents:discard",
        summary="Give up the refused changes of a secret: Key Vault's state of it stands",
        needs="`operate` on `*`",
        tag="Key Vault",
        handle=discard_intents,
        body=DiscardIntents,
        answer=IntentsDocument,
    ),
)

"""After a fault: whether all is well again by itself, and each operation ended as its answer said."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from holdfast.domain.verification import verify
from tests.proof.history.ending import caught_up
from tests.proof.history.installation import Installation
from tests.proof.matrix.asking import NEW, OLD, Asker, Violation
from tests.proof.matrix.cells import Op, Outcome
from tests.service.test_audit_proof import taken
from tests.support.https import Client
from tests.support.node import rows, service_on

HEAL_S: Final = 90.0
"""Seconds for everything to be well again after a fault; a lease of 20 s and the pauses of a breaker are most of it."""

_KNOWN_S: Final = 15.0
"""Seconds for both nodes to tell the same of a secret, once all is well; a busy machine takes some."""

_STEPS: Final = 2
"""Records of one rotation: of its beginning, and of the new version."""

_WAITING: Final = {
    "open intents": "SELECT count(*) FROM secret_intents WHERE state NOT IN ('done', 'superseded', 'refused')",
    "records in the outbox": "SELECT count(*) FROM audit_outbox",
    "rotations under way": "SELECT count(*) FROM rotation_runs WHERE phase IN ('pending', 'applied', 'tested')",
}
Look = Callable[[], Awaitable[object]]


async def healed(made: Installation) -> Sequence[str]:
    """Wait until the installation is as before, by itself; returns what is not, when time is up."""
    return await caught_up(partial(_left, made), time.monotonic() + HEAL_S)


async def _left(made: Installation) -> list[str]:
    asleep = [f"node {node.number} is not ready" for node in made.nodes if not await node.ready()]
    if asleep:
        return asleep
    found = [f"{count} {what}" for what, query in _WAITING.items() for (count,) in await rows(made.dsn, query) if count]
    for node in made.nodes:
        found += [f"node-{node.number}/{file.name}" for file in (node.folder / "audit").glob("*.log")]
        found += await _writes(made.client(node.number, "app"), f"well-{node.number}")
    return found


async def _writes(client: Client, name: str) -> list[str]:
    """Whether a node brings a change to Key Vault again, and Key Vault confirms what it reads."""
    try:
        answer = await client.request("PUT", f"/v1/secrets/{name}", {"value": OLD})
    except (OSError, EOFError, TimeoutError) as error:
        return [f"{name}: {error!r}"]
    well = answer.status < 300 and answer.json["replicated"]
    return [] if well else [f"{name}: {answer.status} {answer.body!r}"]


async def settled(asker: Asker, op: Op, outcome: Outcome) -> None:
    """Look whether it ended as it was told; what no one knew is asked for again first.

    Raises:
        Violation: it did not.
    """
    ends = {Op.WRITE: _written, Op.DELETE: _deleted, Op.PURGE: _purged, Op.ROTATE: _rotated, Op.RULE: _ruled}
    if op in ends:
        await ends[op](asker, outcome)


async def _written(asker: Asker, outcome: Outcome) -> None:
    if outcome is Outcome.ONCE:
        await _again(asker, "PUT", f"/v1/secrets/{asker.name(Op.WRITE)}", {"value": NEW})
    values = [OLD] if outcome is Outcome.REFUSED else [OLD, NEW]
    await _seen(asker, Op.WRITE, "active", values)


async def _deleted(asker: Asker, outcome: Outcome) -> None:
    if outcome is Outcome.ONCE:
        await _again(asker, "DELETE", f"/v1/secrets/{asker.name(Op.DELETE)}")
    await _seen(asker, Op.DELETE, "active" if outcome is Outcome.REFUSED else "deleted", [OLD])


async def _purged(asker: Asker, outcome: Outcome) -> None:
    if outcome is Outcome.ONCE:
        await _again(asker, "DELETE", f"/v1/deleted-secrets/{asker.name(Op.PURGE)}")
    refused = outcome is Outcome.REFUSED
    await _seen(asker, Op.PURGE, "deleted" if refused else "absent", [OLD] if refused else [])


async def _rotated(asker: Asker, outcome: Outcome) -> None:
    """A rotation that no one knows of is looked for, before it is asked for again."""
    name = asker.name(Op.ROTATE)
    if outcome is Outcome.ONCE and len(asker.made.vault.model.history(name)) == 1:
        await _again(asker, "POST", f"/v1/secrets/{name}/rotate")
    history = [each.value for each in asker.made.vault.model.history(name)]
    if len(history) != (1 if outcome is Outcome.REFUSED else 2):
        raise Violation(f"{outcome}: {len(history)} versions in the vault")
    await _seen(asker, Op.ROTATE, "active", history)


async def _ruled(asker: Asker, outcome: Outcome) -> None:
    if outcome is Outcome.ONCE:
        await _again(asker, "DELETE", f"/v1/grants?pattern={asker.name(Op.RULE)}&user_id=reader")
    answers = [await _get(asker, node, Op.RULE, "reader") for node in range(2)]
    if answers != [403, 403]:
        raise Violation(f"{outcome}: the reader gets {answers} from the two nodes")


async def _again(asker: Asker, method: str, target: str, body: object = None) -> None:
    key = {"Idempotency-Key": asker.name(Op.WRITE)} if method == "PUT" else {}
    answer = await asker.client().request(method, target, body, key)
    if answer.status >= 300 and answer.status not in {404, 409}:
        raise Violation(f"asked again when all was well: {answer.status} {answer.body!r}")


async def _get(asker: Asker, node: int, op: Op, who: str = "app") -> object:
    answer = await asker.client(node, who).request("GET", f"/v1/secrets/{asker.name(op)}")
    return answer.json["value"] if answer.status == 200 else answer.status


async def _seen(asker: Asker, op: Op, state: str, values: list[str]) -> None:
    """Both nodes and the vault have this history of the secret, within moments."""
    wanted = (values[-1] if state == "active" else 404, state == "deleted", state, values)
    until = time.monotonic() + _KNOWN_S
    while True:
        found = [await _told(asker, node, op) for node in range(2)]
        if found == [wanted, wanted]:
            return
        if time.monotonic() > until:
            raise Violation(f"there should be {wanted}, and the nodes and the vault have {found}")
        await asyncio.sleep(0.2)


async def _told(asker: Asker, node: int, op: Op) -> tuple[object, bool, str, list[str]]:
    """The value or status at a node, whether it has it as deleted; state and values in the vault."""
    name, model = asker.name(op), asker.made.vault.model
    deleted = await asker.client(node).request("GET", f"/v1/deleted-secrets/{name}")
    there = [each.value for each in model.history(name)]
    return await _get(asker, node, op), deleted.status == 200, str(model.phase(name) or "absent"), there


async def on_record(made: Installation, acknowledged: dict[str, Op]) -> list[str]:
    """What is not exactly once on record of what was acknowledged."""
    query = "SELECT request_id FROM secret_access_logs WHERE success AND request_id = ANY($1)"
    found = Counter(str(request_id) for (request_id,) in await rows(made.dsn, query, [*acknowledged]))
    wrong = {
        each: op for each, op in acknowledged.items() if not 1 <= found[each] <= (_STEPS if op is Op.ROTATE else 1)
    }
    return [f"{op}: {found[each]} records of {each}" for each, op in wrong.items()]


async def trail_of(made: Installation) -> list[str]:
    """What an auditor finds wrong with the audit trail."""
    async with service_on(made.dsn, made.folder / "auditor") as service:
        lines, checkpoints, key = await taken(service)
        return [str(problem) for problem in verify(lines, checkpoints, key.signed).problems]

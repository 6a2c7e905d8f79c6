"""Carries out a plan: each version written over the generation it was compared with, once in effect."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.domain.audit import printable
from holdfast.domain.validation import MAX_DESCRIPTION
from holdfast.errors import Conflict, GenerationMismatch, HoldfastError, IdempotencyMismatch, SecretDeleted
from holdfast.importing.items import Content, Item, Plan, State, Step
from holdfast.importing.journal import Journal
from holdfast.importing.patience import patiently
from holdfast.resilience.clock import Timer

if TYPE_CHECKING:
    from holdfast.domain.policy import Caller
    from holdfast.domain.secret import WriteResult
    from holdfast.service.manager import SecretsService


class OnConflict(enum.StrEnum):
    """What to do about secrets that are here with another value, or cannot be taken over."""

    STOP = "stop"
    SKIP = "skip"
    NEW_VERSION = "new-version"


@dataclass(slots=True)
class Outcome:
    """What was written: the version that each name now has.

    ``error``: why it ended before its end, at the secret ``stopped_at``.
    """

    versions: dict[str, int] = field(default_factory=dict)
    replicated: bool = True
    error: HoldfastError | None = None
    stopped_at: str = ""


def obstacle(plan: Plan, policy: OnConflict) -> str:
    """Return why nothing may be written, or nothing."""
    conflicts, different = plan.count(State.CONFLICT), plan.count(State.DIFFERENT)
    if policy is OnConflict.STOP and conflicts + different:
        return f"{conflicts + different} of {len(plan.steps)} are in the way, so nothing was written"
    if policy is OnConflict.NEW_VERSION and conflicts:
        return f"{conflicts} of {len(plan.steps)} cannot be taken over, so nothing was written"
    return ""


def writable(plan: Plan, policy: OnConflict) -> Plan:
    """Return the steps of a plan that are carried out."""
    states = {State.NEW, State.CONTINUED} | ({State.DIFFERENT} if policy is OnConflict.NEW_VERSION else set())
    return Plan([step for step in plan.steps if step.state in states])


class Carrier:
    """Writes into ``service`` in the name of ``caller``, with idempotency keys out of ``journal``.

    ``options`` are the facts that every secret is to have, as ``set_secret`` takes them.
    """

    def __init__(
        self,
        service: "SecretsService",
        caller: "Caller",
        journal: Journal,
        options: Mapping[str, Any],
        clock: Timer,
    ) -> None:
        self._service, self._caller, self._journal = service, caller, journal
        self._options, self._clock = options, clock

    async def carry(self, plan: Plan, progress: Callable[[int, int], None] = lambda done, of: None) -> Outcome:
        """Write all pending versions. ``progress`` hears (versions written, of how many).

        An error ends it and is in the outcome, beside what was written before; the same import then goes on there.
        """
        outcome, total, done = Outcome(), plan.writes, 0
        try:
            for step in plan.steps:
                generation, outcome.stopped_at = step.generation, str(step.name)
                for content in step.pending:
                    result = await self._write(step, content, generation)
                    generation, done = result.version, done + 1
                    outcome.versions[str(step.name)] = generation
                    outcome.replicated = outcome.replicated and result.replicated
                    progress(done, total)
        except (GenerationMismatch, IdempotencyMismatch, SecretDeleted):
            outcome.error = Conflict(
                f"{step.name} was changed while the import ran; {done} of {total} versions are written. The same "
                "command goes on, and compares it anew."
            )
        except HoldfastError as error:
            outcome.error = error
        return outcome

    async def _write(self, step: Step, content: Content, generation: int) -> "WriteResult":
        name, facts = str(step.name), facts_of(step.item, content, self._options)

        async def attempt() -> "WriteResult":
            return await self._service.set_secret(
                name,
                content.value.reveal(),
                expected_generation=generation,
                idempotency_key=self._journal.key(name, generation),
                context=self._caller,
                **facts,
            )

        return await patiently(attempt, self._clock)


def facts_of(item: Item, content: Content, options: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be known about a version, as ``set_secret`` takes it: the options, then what the source says."""
    facts: dict[str, Any] = {"description": printable(f"Migrated from {item.origin}", MAX_DESCRIPTION)}
    if item.content_type:
        facts["content_type"] = item.content_type
    attributes = content.attributes
    if attributes is not None:
        found = {each: getattr(attributes, each) for each in ("content_type", "not_before", "expires_at")}
        facts |= {each: value for each, value in found.items() if value is not None}
    tags = {**(attributes.tags if attributes is not None else {}), **(options.get("tags") or {})}
    return {**facts, **options, **({"tags": tags} if tags else {})}

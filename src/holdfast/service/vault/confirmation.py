"""Whether Key Vault fails, or only for the one secret that it was asked for.

What looks like the vault failing (5xx, silence, a body that is not Key Vault's) or refusing our identity (403) is a
suspicion. It is believed when questions that are known to work fail as well; they are asked once for all who wait for
the verdict. That several secrets agree proves nothing: a vault may hold thirty odd ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from holdfast.domain.names import SecretName
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    HoldfastError,
    NameOutcomeUnknown,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    VaultRefusal,
)
from holdfast.resilience.breaker import Admission, BreakerState, CircuitBreaker
from holdfast.resilience.clock import Timer
from holdfast.resilience.events import Event, Log
from holdfast.service.vault.questions import NotSent, Question

T = TypeVar("T")

_log: Final = Log(__name__)

SURE_FOR_S: Final = 5.0
"""Seconds for which a suspicion is not looked into again when the vault has answered a question, and others since."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An attempt that failed in a way that may be about its secret alone, or about the vault.

    ``asked``: it was the very question that the name would be asked again to find out, and so proves nothing.
    """

    name: SecretName
    error: BackendUnavailable
    admission: Admission
    began: float
    asked: bool


class Confirmation:
    """Settles suspicions about one kind of traffic.

    ``questions(names)`` are those known to work, best first, without the names that are suspected themselves.
    ``settle`` hears of each suspicion whether the vault answers.
    """

    def __init__(
        self,
        breaker: CircuitBreaker,
        clock: Timer,
        questions: Callable[[Iterable[SecretName]], Iterable[Question]],
        settle: Callable[[Suspicion, bool], None],
    ) -> None:
        self._breaker, self._clock, self._questions, self._settle = breaker, clock, questions, settle
        self._pending: list[Suspicion] = []
        self._asking: asyncio.Task[bool] | None = None
        self._answered_at = self._asked_at = float("-inf")
        self._in_a_row = 0

    def answered(self) -> None:
        """Hear that the vault has answered something."""
        self._answered_at = self._clock.monotonic()
        self._in_a_row = 0

    def failed(self) -> None:
        """Hear that the vault has failed for certain."""
        self._asked_at = float("-inf")

    def refuted(self, suspicion: Suspicion) -> bool:
        """Whether no question is needed to know that it is about the one secret.

        Others were answered while it was under way; or the vault answered a question moments ago, and this is the
        first failure since its last answer.
        """
        self._in_a_row += 1
        sure = self._in_a_row == 1 and self._clock.monotonic() - self._asked_at < SURE_FOR_S
        return self._breaker.state is BreakerState.CLOSED and (self._answered_at > suspicion.began or sure)

    def look_into(self, suspicion: Suspicion, timeout_s: float) -> asyncio.Task[bool]:
        """Find out, together with all others that are suspected by then, whether the vault answers."""
        self._pending.append(suspicion)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._find_out(timeout_s), name="does Key Vault answer?")
        return self._asking

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _find_out(self, timeout_s: float) -> bool:
        failed, alive = 0, False
        watched = self._breaker.watch()
        for question in self._questions({suspicion.name for suspicion in self._pending if suspicion.asked}):
            alive = await _answers(question, timeout_s)
            if alive:
                self._asked_at = self._clock.monotonic()
                self.answered()
                break
            failed += 1
        if not alive:
            self.failed()
        pending, self._pending = self._pending, []
        for suspicion in pending:
            self._settle(suspicion, alive)
        for _ in range(0 if alive else failed):
            watched.report(success=False)
        return alive


async def _answers(question: Question, timeout_s: float) -> bool:
    """Whether a question is answered. One that could not be sent for a reason of our own disproves nothing."""
    try:
        await within(timeout_s, question, BackendUnavailable)
    except (NameUnavailable, NotSent):
        return True
    except BackendUnavailable:
        return False
    except HoldfastError:
        return True
    except Exception as error:  # the others must be settled; the text of an unknown error may hold anything
        _log(Event.VAULT_QUESTION_FAILED, reason=type(error).__name__)
        return False
    return True


async def within(timeout_s: float, call: Callable[[], Awaitable[T]], lost: type[BackendUnavailable]) -> T:
    """Await a call for at most ``timeout_s``; a call that ends its own way in time is heard.

    Raises:
        BackendUnavailable: of the kind ``lost``, when it did not end in time.
    """
    try:
        async with asyncio.timeout(max(0.0, timeout_s)):
            return await call()
    except TimeoutError:
        unknown = " The change may have taken effect." if lost is OutcomeUnknown else ""
        silence = f"did not answer within {timeout_s:.2f} s"
        raise lost(f"Key Vault {silence}.{unknown}", reason=f"it {silence}") from None


def undecided(error: BackendUnavailable) -> NameUnavailable:
    """Return a suspicion as what it is taken for until more is known."""
    return (NameRefused if isinstance(error, BackendRefused) else NameUnavailable)(str(error))


def about_the_name(error: BackendUnavailable, *, changing: bool) -> HoldfastError:
    """Return what a suspicion says once it is known that the vault answers."""
    if isinstance(error, BackendRefused) and changing:
        text = f"{error} It takes changes of others: a permission for this secret is missing, or a policy forbids it."
        return VaultRefusal(text, status=403, vault_code=error.vault_code or "Forbidden")
    if isinstance(error, OutcomeUnknown):
        return NameOutcomeUnknown(str(error))
    return undecided(error)

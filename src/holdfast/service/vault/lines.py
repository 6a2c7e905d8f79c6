"""One kind of traffic to Key Vault, reads or changes: its breaker, and what its failures are taken for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, TypeVar

from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable, HoldfastError, NameUnavailable, OutcomeUnknown
from holdfast.resilience.breaker import Admission, BreakerState, CircuitBreaker
from holdfast.resilience.clock import Timer
from holdfast.resilience.wakefulness import Wakefulness
from holdfast.service.vault.confirmation import Confirmation, Suspicion, about_the_name, undecided, within
from holdfast.service.vault.odd_names import OddNames
from holdfast.service.vault.questions import WHOLE, KnownNames, NotSent, Question

T = TypeVar("T")


class Line:
    """Attempts of one kind. ``known``, ``questions``: see ``Questions``. ``trouble``: why the vault last failed."""

    def __init__(
        self,
        kind: Literal["read", "write"],
        breaker: CircuitBreaker,
        clock: Timer,
        known: KnownNames,
        questions: Callable[[Iterable[SecretName]], Iterable[Question]],
        awake: Wakefulness,
    ) -> None:
        self.kind, self._changing = kind, kind == "write"
        self.breaker, self._clock, self._known, self._awake = breaker, clock, known, awake
        self.odd = OddNames(clock)
        self.confirmation = Confirmation(breaker, clock, questions, self._settle)
        self.trouble = ""
        self._last_probe: SecretName | None = None

    async def attempt(
        self,
        name: SecretName,
        timeout_s: float,
        call: Callable[[], Awaitable[T]],
        *,
        wait: bool = True,
        watched: bool = True,
        repeatable: bool = False,
    ) -> T:
        """Make one attempt within a time limit.

        ``wait``: for the verdict on a failure that may be about this secret alone; without it such a failure is told
        at once, as one of this secret. ``watched``: remember it, so that the secret is asked for less. ``repeatable``:
        ask once more after a failure while this process stood still.

        Raises:
            NameUnavailable: or ``VaultRefusal``: this secret's failure, while the vault answers.
            BackendUnavailable: any other kind of it: the vault fails.
        """
        admission = self._admit(name)
        began, awake_at = self._clock.monotonic(), self._awake.look()
        try:
            answer = await within(timeout_s, call, OutcomeUnknown if self._changing else BackendUnavailable)
        except BackendUnavailable as error:
            failed = Suspicion(name, error, admission, began, asked=watched or name == WHOLE)
        except HoldfastError:
            self._answered(admission)
            raise
        except BaseException:
            admission.report(success=None)
            raise
        else:
            self._answered(admission)
            if watched:
                self.odd.acquit(name)
            return answer
        if not self._awake.stood_still_since(awake_at):
            raise await self._judged(failed, timeout_s, wait=wait, watched=watched)
        admission.report(success=None)
        if not repeatable or isinstance(failed.error, OutcomeUnknown):
            raise failed.error if self._changing else undecided(failed.error)
        return await self.attempt(name, timeout_s, call, wait=wait, watched=watched)

    def _admit(self, name: SecretName) -> Admission:
        """Odd names, and the one that probed last, leave a probe to others for a while."""
        admission = self.breaker.admit(reluctant=name in self.odd or name == self._last_probe)
        if self.breaker.state is BreakerState.HALF_OPEN:
            self._last_probe = name
        return admission

    def _answered(self, admission: Admission) -> None:
        admission.report(success=True)
        self.confirmation.answered()

    async def _judged(self, failed: Suspicion, timeout_s: float, *, wait: bool, watched: bool) -> HoldfastError:
        """Return the error to raise for a failed attempt."""
        if isinstance(failed.error, NotSent):
            failed.admission.report(success=None)
            return failed.error
        if isinstance(failed.error, NameUnavailable):
            return self._of_the_name(failed, failed.error, watched=watched)
        if failed.error.certain:
            self.trouble = failed.error.reason
            failed.admission.report(success=False)
            self.confirmation.failed()
            return failed.error
        return await self._suspected(failed, timeout_s, wait=wait, watched=watched)

    def _of_the_name(self, failed: Suspicion, error: NameUnavailable, *, watched: bool) -> NameUnavailable:
        """The vault itself says that it is about this secret."""
        self._answered(failed.admission)
        if watched:
            self.odd.suspect(failed.name, error)
            self.odd.convict(failed.name)
        return error

    async def _suspected(self, failed: Suspicion, timeout_s: float, *, wait: bool, watched: bool) -> HoldfastError:
        if failed.asked:
            self._known.discard(failed.name)
        if watched:
            self.odd.suspect(failed.name, undecided(failed.error))
        if not self._changing and self.confirmation.refuted(failed):
            failed.admission.report(success=None)
            self.odd.convict(failed.name)
            return about_the_name(failed.error, changing=False)
        asking = self.confirmation.look_into(failed, timeout_s)
        if not wait:
            return undecided(failed.error)
        alive = await asyncio.shield(asking)
        return about_the_name(failed.error, changing=self._changing) if alive else failed.error

    def _settle(self, suspicion: Suspicion, alive: bool) -> None:
        if alive:
            self.odd.convict(suspicion.name)
        else:
            self.trouble = suspicion.error.reason  # before the breaker hears of it, which tells why it opens
            self.odd.acquit(suspicion.name)
        suspicion.admission.report(success=alive)

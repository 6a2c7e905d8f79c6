"""A failing seed cut down to the requests, deaths and sites that are needed to see it fail."""

from collections.abc import Sequence
from typing import Final

from tests.proof.history.checking import check
from tests.proof.history.cutting import minimal
from tests.proof.simulation.fates import Site
from tests.proof.simulation.run import Run, Trial, run
from tests.proof.simulation.work import Blow, Step

MOST_TRIES: Final = 250
"""Runs at most; what is left then may not be the least."""

Part = Step | Blow | Site


def cut_down(trial: Trial, found: Run) -> str:
    """What a person has to read to understand the first violation."""
    violation = check(found.history)[0]
    tries: list[int] = []

    def shows(parts: Sequence[Part]) -> bool:
        tries.append(1)
        if len(tries) > MOST_TRIES:
            return False
        return any(each.promise == violation.promise for each in check(run(only(trial, parts)).history))

    parts: list[Part] = [*found.met, *trial.blows, *trial.steps]
    kept = minimal(parts, shows) if shows(parts) else parts
    last = run(only(trial, kept)).history
    told = [f"{each.promise} {each.text}" for each in check(last)]
    asked = [
        f"{event.began:.3f} {event.id} node {event.node} {event.op} {event.name} {event.outcome} {event.status} "
        f"{event.code} {event.value} {event.version or ''}"
        for event in last.events
    ]
    return "\n".join([f"seed {trial.seed}", *told, "", *map(str, kept), "", *asked, ""])


def only(trial: Trial, parts: Sequence[Part]) -> Trial:
    """The same seed with these parts of it alone."""
    return Trial(
        seed=trial.seed,
        steps=[each for each in parts if isinstance(each, Step)],
        blows=[each for each in parts if isinstance(each, Blow)],
        only={each for each in parts if isinstance(each, Site)},
    )

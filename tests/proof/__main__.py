"""``make proof``: the stateful models with random seeds, for a bounded time, with a verdict for each seed."""

import argparse
import secrets
import sys
from collections.abc import Iterable, Sequence

from tests.proof.trials import Trial, Verdict, models, trials

DEFAULT_S = 900.0
MAX_SEED = 2**32
ENOUGH = 1_000
"""Seeds; the time ends first."""


def seeds_of(text: str) -> range:
    """``A:B`` are the seeds from A up to, and without, B; ``A`` is that one.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    first, colon, end = text.partition(":")
    given = [first, end] if colon else [first]
    if not all(each.isascii() and each.isdecimal() and int(each) <= MAX_SEED for each in given):
        raise argparse.ArgumentTypeError(f"seeds are A:B or A, whole numbers up to {MAX_SEED}")
    seeds = range(int(first), int(end) if colon else int(first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError("A:B needs an A that is smaller than B")
    return seeds


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for; without seeds, some that no one has seen before."""
    parser = argparse.ArgumentParser(prog="make proof", description=__doc__)
    first = secrets.randbelow(MAX_SEED - ENOUGH)
    parser.add_argument("--seeds", type=seeds_of, default=range(first, first + ENOUGH), metavar="A:B")
    parser.add_argument("--within", type=float, default=DEFAULT_S, metavar="SECONDS")
    return parser.parse_args(given)


def report(found: Iterable[Trial]) -> int:
    """Print each verdict, and what is needed to see a failure again. Returns the exit code."""
    verdicts: list[Verdict] = []
    for trial in found:
        verdicts.append(trial.verdict)
        print(f"seed {trial.seed}: {trial.verdict.value} ({trial.took_s:.0f} s)", flush=True)
        if trial.verdict is Verdict.FAILS:
            print(f"{trial.said}\nAgain: make proof SEEDS={trial.seed}", flush=True)
    counted = ", ".join(f"{verdicts.count(each)} {each.value}" for each in Verdict)
    print(f"{len(verdicts)} seeds: {counted}.")
    return 0 if Verdict.HOLDS in verdicts and Verdict.FAILS not in verdicts else 1


if __name__ == "__main__":
    asked = arguments()
    print(f"{len(models())} models: {', '.join(models())}", flush=True)
    sys.exit(report(trials(asked.seeds, asked.within)))

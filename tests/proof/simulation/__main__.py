"""``python -m tests.proof.simulation``: whole nodes in virtual time, a verdict for each seed."""

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of a set is chance as well
    os.execve(
        sys.executable,
        [sys.executable, "-m", "tests.proof.simulation", *sys.argv[1:]],
        {**os.environ, "PYTHONHASHSEED": "0"},
    )

from tests.proof.simulation.universe import take_over

take_over()  # before anything of the product is loaded, which keeps some of it

from tests.proof.simulation.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())

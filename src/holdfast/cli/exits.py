"""How a command ends: one table from errors to exit codes, and what to do next."""

from dataclasses import dataclass
from typing import Final

from holdfast import errors

OK: Final = 0
UNEXPECTED: Final = 1
USAGE: Final = 2
DENIED: Final = 4
DEGRADED: Final = 7
INTEGRITY: Final = 8
OUTPUT_LOST: Final = 11
COMMAND_FAILED: Final = 126
COMMAND_NOT_FOUND: Final = 127
"""Both as shells have them."""

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""

BROKEN_PIPE: Final = 141
"""128 + SIGPIPE, as shells have it."""


class FileDamaged(errors.IntegrityFailure):
    """A file that was named on the command line does not authenticate: no database is concerned."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The exit code of an error, and a next step that fits every such error."""

    code: int
    hint: str = ""


ENDINGS: Final[dict[type[Exception], Ending]] = {
    Exception: Ending(UNEXPECTED),
    errors.InvalidInput: Ending(USAGE),
    errors.SecretNotFound: Ending(3, "`holdfast list` shows what is there, and with --deleted what can be recovered."),
    errors.VersionNotFound: Ending(3, "`holdfast versions NAME` shows what is there."),
    errors.IdentityNotFound: Ending(3, "`holdfast identity list` shows what is there."),
    errors.TokenNotFound: Ending(3, "`holdfast token list` shows what is there."),
    errors.RequestNotFound: Ending(3, "`holdfast break-glass list` shows the requests that are yours to see."),
    errors.AccessDenied: Ending(DENIED, "`holdfast grant` gives permissions."),
    errors.PurgeProtected: Ending(DENIED, "`holdfast list --deleted` shows when it ends by itself."),
    errors.Unauthenticated: Ending(DENIED),
    errors.Conflict: Ending(5),
    errors.GenerationMismatch: Ending(5, "Look at `holdfast versions NAME`, and decide again."),
    errors.SecretDeleted: Ending(5, "`holdfast recover NAME` brings it back, `holdfast purge NAME` frees the name."),
    errors.TransitionPending: Ending(5, "Try again in a moment."),
    errors.ChangePending: Ending(5, "Try again in a moment."),
    errors.SecretUnusable: Ending(6),
    errors.SecretDisabled: Ending(6, "`holdfast update NAME --enable` enables it."),
    errors.SecretOutsideValidity: Ending(6, "`holdfast versions NAME` shows from when to when it is valid."),
    errors.BackendUnavailable: Ending(7, "`holdfast health` shows what is down; try again."),
    errors.IntegrityFailure: Ending(8, "Nothing was disclosed. Restore the database from a backup you trust."),
    FileDamaged: Ending(8, "Take another copy of that file; nothing was changed."),
    errors.KeyUnavailable: Ending(8, "Give the former key back with HOLDFAST_DECRYPTION_KEYS."),
    errors.ConfigurationError: Ending(9),
    errors.StartupError: Ending(9, "`holdfast doctor` examines the whole installation."),
    errors.Rejected: Ending(10),
    errors.RotationFailed: Ending(12),
}

MEANINGS: Final = {
    OK: "done",
    UNEXPECTED: "an unexpected error: please report it; of `doctor`: something fails; of `scan`: something found",
    USAGE: "the command or its input is not valid",
    3: "no such secret, version, identity, token or request",
    DENIED: "access denied, or not logged in",
    5: "conflict: the present state forbids it",
    6: "the secret is disabled or outside its validity",
    DEGRADED: "a backend is unavailable; later the same command may work",
    INTEGRITY: "integrity: stored bytes or keys are wrong",
    9: "the settings or the start of this node are at fault",
    10: "Key Vault rejects the request",
    OUTPUT_LOST: "done, but the answer could not be written",
    12: "a step of a rotation failed; both credentials are kept",
    COMMAND_FAILED: "the command of `run` cannot be started",
    COMMAND_NOT_FOUND: "the command of `run` is not there",
    INTERRUPTED: "interrupted",
    BROKEN_PIPE: "done, but the reader of the output went away",
}


def ending_of(error: BaseException) -> Ending:
    """Return the ending of the nearest class that the table knows."""
    return next(ENDINGS[kind] for kind in type(error).__mro__ if kind in ENDINGS)

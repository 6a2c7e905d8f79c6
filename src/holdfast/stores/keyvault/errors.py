"""What the SDK raises, as Holdfast's errors. Texts are ours: nothing a server or the SDK wrote gets into them."""

import contextlib
import email.utils
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    HoldfastError,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    Throttled,
    TransitionPending,
    VaultRefusal,
)
from holdfast.resilience.retry import sane_pause_s
from holdfast.stores.keyvault.faults import connection_fault
from holdfast.stores.keyvault.transport import NEVER_SENT, AnswerTooLong
from holdfast.stores.keyvault.verdicts import Judgement, Kind, Verdict, judge, no_answer, no_connection

MAX_RETRY_AFTER_S: Final = 60.0
"""Seconds; a longer wish of a throttling vault is cut to this. Key Vault counts per 10 s."""

_CODE: Final = re.compile(r"[A-Za-z ]{1,64}", re.ASCII)


class ImplausibleAnswer(Exception):
    """An answer that Key Vault would not give to the question. Its text holds nothing of the answer."""


@contextlib.contextmanager
def translated(operation: str, name: str, *, writing: bool) -> Iterator[None]:
    """Raise what a block raises as one of the errors that ``holdfast.ports.Vault`` promises.

    The SDK's own error, which may quote the server, is left out of the chain.
    """
    kind = Kind.PURGE if operation == "purge" else Kind.WRITE if writing else Kind.READ
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:
        failure = _translate(error, f"{operation} of {name!r}", kind)
        if isinstance(failure, BackendUnavailable):
            failure.reason = _reason(error)
        _empty(error)
        raise failure from None


def _empty(error: BaseException | None) -> None:
    """Take what the server said out of the SDK's errors: Python keeps them as the context of ours, whatever we do."""
    while error is not None:
        if isinstance(error, AzureError):
            error.args = ()
            vars(error).update(message="", exc_msg="", response=None, error=None, model=None)
        error = error.__context__


def _translate(error: Exception, what: str, kind: Kind) -> HoldfastError:
    if isinstance(error, HttpResponseError) and error.response is not None and (error.status_code or 0) >= 300:
        return _of_status(error.response, what, kind)
    if isinstance(error, ServiceRequestError) and _never_sent(error):
        fault = connection_fault(error).text if error.__cause__ else str(error)
        return _error(no_connection(), f"Key Vault is out of reach for {what}: {fault}", kind)
    if isinstance(error.__cause__, AnswerTooLong) and kind is Kind.READ:  # it answers, and this very question oddly
        return NameUnavailable(f"Key Vault gave no usable answer to {what}: {error.__cause__}.")
    return _error(no_answer(), f"Key Vault gave no usable answer to {what}: {_oddity(error)}", kind)


def _oddity(error: Exception) -> str:
    if isinstance(error, ImplausibleAnswer):
        return str(error)
    if isinstance(error, DecodeError | RecursionError):
        return "it says that it is JSON, and is none, or an endlessly nested one"
    if isinstance(error, ServiceResponseTimeoutError):
        return "it takes too long"
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return "the connection broke before it was complete, or it came in a form that was not asked for"
    return type(error).__name__


def _reason(error: Exception) -> str:
    """Say what happened, and not to what."""
    if isinstance(error, HttpResponseError) and error.response is not None and (error.status_code or 0) >= 300:
        code, inner = error_codes(error.response)
        return f"it answers {error.status_code} {inner or code or '(no code)'}"
    if isinstance(error, ServiceRequestError) and _never_sent(error):
        return connection_fault(error).text
    return "it gives no usable answer"


def _never_sent(error: ServiceRequestError) -> bool:
    """Whether there was no connection at all; the SDK says "request error" of broken ones as well."""
    return error.__cause__ is None or isinstance(error.__cause__, NEVER_SENT)


def _of_status(response: Any, what: str, kind: Kind) -> HoldfastError:
    """Return the error for an answer that is not a success."""
    status = int(response.status_code)
    code, inner = error_codes(response)
    judgement = judge(kind, status, code, inner)
    said = f"Key Vault answered {status} {inner or code or '(no code)'} to {what}"
    if status == 400 and kind is Kind.READ:
        said += ": it may not serve the api-version of HOLDFAST_KEYVAULT_API_VERSION"
    if judgement.verdict is Verdict.THROTTLED:
        return Throttled(f"{said}.", retry_after_s=retry_after_s(response.headers.get("Retry-After")))
    if judgement.verdict is Verdict.REFUSED:
        return _refusal(judgement, said, kind, status, inner or code)
    return _error(judgement, said, kind, taken=status == 408 or status >= 500)


def _refusal(judgement: Judgement, said: str, kind: Kind, status: int, vault_code: str) -> HoldfastError:
    if not judgement.certain:
        return BackendRefused(f"{said}: our identity may not do this.", forbidden=True, vault_code=vault_code)
    if kind is Kind.READ:
        return NameRefused(f"{said}.")
    why = ": the vault is protected against purging" if kind is Kind.PURGE and status == 403 else ""
    return VaultRefusal(f"{said}{why}.", status=status, vault_code=vault_code)


_ANSWERS: Final[Mapping[Verdict, tuple[type[HoldfastError], str]]] = {
    Verdict.ABSENT: (SecretNotFound, "there is none"),
    Verdict.DISABLED: (SecretDisabled, "the secret is disabled there"),
    Verdict.DELETED: (SecretDeleted, "the name belongs to a deleted secret; recover or purge it"),
    Verdict.SETTLING: (TransitionPending, "a deletion, recovery or purge is still settling"),
    Verdict.UNKNOWN_TO_IT: (BackendRefused, "it does not accept our identity"),
}


def _error(judgement: Judgement, said: str, kind: Kind, *, taken: bool = True) -> HoldfastError:
    """Return the error of a verdict. ``taken``: a change may have taken effect, as far as the answer tells."""
    if judgement.verdict in _ANSWERS:
        error, meaning = _ANSWERS[judgement.verdict]
        return error(f"{said}: {meaning}.")
    if kind is not Kind.READ and taken and not judgement.certain:
        return OutcomeUnknown(f"{said}. The change may have taken effect.")
    return BackendUnavailable(f"{said}.", certain=judgement.certain)


def error_codes(response: Any) -> tuple[str, str]:
    """Return ``error.code`` and ``error.innererror.code`` of an error body, "" for what is not there or odd."""
    try:
        error = response.json()["error"]
    except Exception:  # whatever is wrong with the body, it has no code
        return "", ""
    if not isinstance(error, dict):
        return "", ""
    inner = error.get("innererror")
    return _code(error.get("code")), _code(inner.get("code") if isinstance(inner, dict) else None)


def _code(raw: object) -> str:
    return raw if isinstance(raw, str) and _CODE.fullmatch(raw) else ""


def retry_after_s(header: str | None) -> float | None:
    """Return the pause a ``Retry-After`` header asks for, in seconds up to the cap; None for none or nonsense."""
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
        return sane_pause_s(float(text), MAX_RETRY_AFTER_S)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return sane_pause_s((aware - datetime.now(UTC)).total_seconds(), MAX_RETRY_AFTER_S)

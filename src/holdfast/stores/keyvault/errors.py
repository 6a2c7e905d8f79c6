"""What the SDK raises, as Holdfast's errors. Texts are ours: nothing a server or the SDK wrote gets into them."""

import contextlib
import email.utils
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.exceptions import HttpResponseError, ServiceRequestError

from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    HoldfastError,
    OutcomeUnknown,
    Rejected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    Throttled,
    TransitionPending,
)
from holdfast.resilience.retry import sane_pause_s
from holdfast.stores.keyvault.transport import NEVER_SENT

MAX_RETRY_AFTER_S: Final = 60.0
"""Seconds; a longer wish of a throttling vault is cut to this. Key Vault counts per 10 s."""

_CODE: Final = re.compile(r"[A-Za-z ]{1,64}", re.ASCII)
_SETTLING: Final = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "", "Conflict"})


class ImplausibleAnswer(Exception):
    """An answer that Key Vault would not give to the question. Its text holds nothing of the answer."""


@contextlib.contextmanager
def translated(operation: str, name: str, *, writing: bool) -> Iterator[None]:
    """Raise what a block raises as one of the errors that ``holdfast.ports.Vault`` promises.

    The SDK's own error, which may quote the server, is left out of the chain.
    """
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:
        raise _translate(error, f"{operation} of {name!r}", writing=writing) from None


def _translate(error: Exception, what: str, *, writing: bool) -> HoldfastError:
    if isinstance(error, HttpResponseError) and error.response is not None and (error.status_code or 0) >= 300:
        return _of_status(error.response, what, writing=writing)
    if isinstance(error, ServiceRequestError) and _never_sent(error):
        return BackendUnavailable(f"Key Vault is out of reach for {what}: {type(error.__cause__ or error).__name__}.")
    why = str(error) if isinstance(error, ImplausibleAnswer) else type(error).__name__
    return _lost(f"Key Vault gave no usable answer to {what}: {why}.", writing=writing)


def _never_sent(error: ServiceRequestError) -> bool:
    """Whether there was no connection at all; the SDK says "request error" of broken ones as well."""
    return error.__cause__ is None or isinstance(error.__cause__, NEVER_SENT)


def _lost(text: str, *, writing: bool) -> BackendUnavailable:
    return OutcomeUnknown(f"{text} The change may have taken effect.") if writing else BackendUnavailable(text)


def _of_status(response: Any, what: str, *, writing: bool) -> HoldfastError:
    """Judge an answer that is not a success by its status and its codes."""
    status = int(response.status_code)
    code, inner = error_codes(response)
    said = f"Key Vault answered {status} {inner or code or '(no code)'} to {what}"
    if status == 429:
        return Throttled(f"{said}.", retry_after_s=retry_after_s(response.headers.get("Retry-After")))
    if status == 401:
        return BackendRefused(f"{said}: it does not accept our identity.")
    if status == 403:
        return _of_forbidden(inner, what, said)
    if status == 408 or status >= 500:
        return _lost(f"{said}.", writing=writing)
    return _of_substance(status, code, inner, what, said)


def _of_substance(status: int, code: str, inner: str, what: str, said: str) -> HoldfastError:
    """Judge a 3xx or 4xx about the request itself."""
    if status < 400 or not code:  # a redirect, or somebody else's page: not Key Vault's word
        return BackendUnavailable(f"{said}.")
    if status == 404 and code == "SecretNotFound":
        return SecretNotFound(f"Secret not found: {what}.")
    if status == 404:
        return BackendUnavailable(f"{said}: is the vault's address right?")
    if status == 409:
        return _of_conflict(inner, said)
    return Rejected(f"{said}.")


def _of_forbidden(inner: str, what: str, said: str) -> HoldfastError:
    if inner == "SecretDisabled":
        return SecretDisabled(f"Secret is disabled in Key Vault: {what}.")
    if what.startswith("purge") and not inner:  # a vault with purge protection; missing rights have an inner code
        return Rejected(f"{said}: the vault is protected against purging.")
    return BackendRefused(f"{said}: our identity may not do this.", forbidden=True)


def _of_conflict(inner: str, said: str) -> HoldfastError:
    if inner == "ObjectIsDeletedButRecoverable":
        return SecretDeleted(f"{said}: the name belongs to a deleted secret; recover or purge it.")
    if inner in _SETTLING:
        return TransitionPending(f"{said}: a deletion, recovery or purge is still settling.")
    return Rejected(f"{said}.")


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

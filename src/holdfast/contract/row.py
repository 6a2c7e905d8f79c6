"""A row: one operation, its permissions, its name on record, what is asked and answered, and its place in the API."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar

from holdfast.domain.names import WHOLE_VAULT, SecretName
from holdfast.domain.policy import AccessContext, Caller, Permission
from holdfast.errors import HoldfastError
from holdfast.v1_wire.documents import Document, Request

Context: TypeAlias = AccessContext | Caller | None
"""Who asks: as an application reports it, as a surface has authenticated it, or the owning application itself."""


class Asked(Request):
    """What is asked of an operation, the same object from the border to the use case.

    What it is about comes from its type, never from a value: a name that is missing must not mean the whole vault.
    """

    @property
    def about(self) -> SecretName:
        """The name under which it is authorised and recorded."""
        return WHOLE_VAULT

    def checked(self) -> Self:
        """Return it in the form that use cases take.

        Raises:
            InvalidInput: a member breaks a limit; the text names it.
        """
        return self


class Nothing(Asked):
    """What is asked where there is nothing to say."""


R = TypeVar("R", bound=Asked)
A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)


class Needs(enum.Enum):
    """What stands in the place of permissions where no single one decides."""

    EACH = "each entry of the listing is decided on its own"
    OWN = "what callers do to what is their own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """The place of an operation in the API under ``/v1``.

    ``document``: the name of the document that an answer is in, where it is not the type's own, or the type of one that
    tells more than the answer holds. ``member``: what a bare answer, a list or a number, stands under in it, and
    ``described`` what it is. ``cost``: as how many requests it counts. ``errors``: those of this operation alone.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    member: str | None = None
    document: str | type[Document] | None = None
    described: str | None = None
    cost: int = 1
    errors: tuple[type[HoldfastError], ...] = ()

    @property
    def in_query(self) -> bool:
        """Whether what is asked stands in the query, and not in a body."""
        return self.method in {"GET", "DELETE"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row(Generic[R, A]):
    """One operation.

    ``record``: its name in the audit trail. ``needs``: the permissions of which one suffices. ``answer``: the type of
    the answer. ``noted``: what the record of a success tells of an answer. ``http``: None for what no API offers.
    """

    record: str
    needs: tuple[Permission, ...] | Needs
    request: type[R]
    answer: Any
    noted: "Noted[A] | None" = None
    http: Http | None = None


class Noted(Protocol[A_contra]):
    """Tells the version, source and detail of an answer."""

    def __call__(self, answer: A_contra) -> Mapping[str, Any]:
        """Return them by name, as the guard records them."""
        ...


class Run(Protocol):
    """Has an operation done: here, through the one door, or at a server."""

    async def __call__(self, row: Row[R, A], asked: R, context: Context = None, /) -> A:
        """Do what a row asks, and return its answer."""
        ...


class Facade:
    """The operations of one noun as methods, the same for a service in this process and for one at a server."""

    def __init__(self, run: Run) -> None:
        self._run = run

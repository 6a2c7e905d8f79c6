"""What an import would do: everything is read and compared before anything is written."""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, Secret
from holdfast.errors import AccessDenied, InvalidInput, SecretNotFound, SecretUnusable
from holdfast.importing.carrying import facts_of
from holdfast.importing.items import Content, Item, Plan, Selection, State, Step
from holdfast.importing.naming import collisions, selected
from holdfast.service.requests import SetRequest

if TYPE_CHECKING:
    from holdfast.domain.policy import Caller
    from holdfast.service.manager import SecretsService

_COMPARED = ("content_type", "not_before", "expires_at")


class Planner:
    """Compares with what ``service`` has, by reading it in the name of ``caller``.

    ``options`` are the facts that every secret is to have, as ``set_secret`` takes them; they go before those of the
    source.
    """

    def __init__(self, service: "SecretsService", caller: "Caller", options: Mapping[str, Any]) -> None:
        self._service, self._caller, self._options = service, caller, options

    async def plan(
        self, items: Iterable[Item], selection: Selection, progress: Callable[[int, int], None] = lambda done, of: None
    ) -> Plan:
        """Return what is to be done about the wanted items. ``progress`` hears (items compared, of how many).

        Raises:
            InvalidInput: the selection is about something that the source does not have.
        """
        named = selected(items, selection)
        taken = collisions(named)
        steps: list[Step] = []
        for item, name in named:
            steps.append(await self._step(item, name, taken))
            progress(len(steps), len(named))
        return Plan(steps)

    async def _step(self, item: Item, name: SecretName | None, taken: Mapping[SecretName, Sequence[str]]) -> Step:
        if item.left_out:
            return Step(item=item, name=name, state=State.LEFT_OUT, note=item.left_out)
        fault = _fault(item, name, taken, self._options)
        if name is None or fault:
            return Step(item=item, name=name, state=State.CONFLICT, note=fault)
        try:
            present = await self._service.get_secret(name, context=self._caller)
        except SecretNotFound:
            return await self._absent(item, name)
        except (SecretUnusable, AccessDenied) as error:
            denied = isinstance(error, AccessDenied)
            note = "comparing it needs the permission get" if denied else "it is here and may not be read at present"
            return Step(item=item, name=name, state=State.CONFLICT, note=note)
        return await self._compared(item, name, present)

    async def _absent(self, item: Item, name: SecretName) -> Step:
        with suppress(SecretNotFound, AccessDenied):
            await self._service.get_deleted_secret(name, context=self._caller)
            return Step(
                item=item, name=name, state=State.CONFLICT, note="it is deleted here: recover or purge it first"
            )
        return Step(item=item, name=name, state=State.NEW, note=item.note, pending=item.versions)

    async def _compared(self, item: Item, name: SecretName, present: Secret) -> Step:
        newest = item.versions[-1]
        if _same_value(newest, present) and not (differing := self._differing(newest, present.attributes)):
            return Step(item=item, name=name, state=State.UNCHANGED, note=item.note, generation=present.version)
        if len(item.versions) > 1 and (there := await self._begun(item, name, present)):
            note = f"{there} of its {len(item.versions)} versions are here"
            rest = item.versions[there:]
            return Step(
                item=item, name=name, state=State.CONTINUED, note=note, generation=present.version, pending=rest
            )
        note = f"same value, other {', '.join(differing)}" if _same_value(newest, present) else item.note
        return Step(
            item=item, name=name, state=State.DIFFERENT, note=note, generation=present.version, pending=item.versions
        )

    async def _begun(self, item: Item, name: SecretName, present: Secret) -> int:
        """How many versions of the item are here, if what is here is the beginning of them."""
        versions = await self._service.list_secret_versions(name, context=self._caller)
        if not len(versions) == present.version < len(item.versions):
            return 0
        for version, content in zip(versions, item.versions, strict=False):
            try:
                found = await self._service.get_secret_version(name, version.version, context=self._caller)
            except (SecretUnusable, SecretNotFound):
                return 0
            if not _same_value(content, found):
                return 0
        return len(versions)

    def _differing(self, content: Content, present: Attributes) -> list[str]:
        """Which facts of the source are others here."""
        wanted = content.attributes
        if wanted is None:
            return []
        facts = [each for each in _COMPARED if each not in self._options]
        found = [each.replace("_", " ") for each in facts if getattr(wanted, each) != getattr(present, each)]
        return found if wanted.tags.items() <= present.tags.items() else [*found, "tags"]


def _same_value(content: Content, present: Secret) -> bool:
    return hmac.compare_digest(content.value.reveal().encode(), present.value.encode())


def _fault(
    item: Item, name: SecretName | None, taken: Mapping[SecretName, Sequence[str]], options: Mapping[str, Any]
) -> str:
    if item.fault:
        return item.fault
    if name is None:
        return "no name can be made of it: give it one with --map"
    if name in taken:
        others = ", ".join(ascii(each)[1:-1] for each in taken[name] if each != item.source)
        return f"it would have the name of {others}: give one of them another with --map"
    try:
        for content in item.versions:
            SetRequest(**facts_of(item, content, options)).checked(name, content.value.reveal(), for_vault=False)
    except InvalidInput as error:
        return str(error).rstrip(".")
    return ""

"""An entry of a listing that nobody can read says nothing of the others: they come out as they are, it by its name."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretVersion
from holdfast.keyvault_wire import responses as wire
from holdfast.ports import OddEntry, VaultVersion
from holdfast.stores.keyvault.answers import Answers, odd
from holdfast.stores.keyvault.errors import ImplausibleAnswer
from holdfast.stores.keyvault.pages import page
from holdfast.stores.postgres.rows import attribute_columns, attributes_in, attributes_object, attributes_of
from tests.support.scripted_vault import ScriptedVault


class Raw(bytes):
    """Bytes whose start is enough to tell them by."""

    def __repr__(self) -> str:
        return super().__repr__()[:2_000]


URL = "https://vault.test/secrets"
ANSWERS = Answers("https://vault.test/")

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\0", "x" * 70_000, "2099-01-01", "1700000000", 1.7e9, 253402300800, -62135596800]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["id", "attributes", "tags", "contentType", "managed", "kid", "value", "recoveryId", "deletedDate", "novelty"]
)
ATTRIBUTES = st.sampled_from(["enabled", "created", "updated", "nbf", "exp", "recoveryLevel", "recoverableDays", "new"])
JUNK = st.sampled_from(
    [
        b"",
        b"null",
        b"7",
        b"[]",
        b"{}",
        b"[" * 50_000 + b"]" * 50_000,
        b'{"id":"https://vault.test/secrets/odd","attributes":{"exp":' + b"9" * 5_000 + b"}}",
        b'{"id":"https://vault.test/secrets/odd","id":"https://vault.test/secrets/odd"}',
        b'{"id":"https://vault.test/secrets/odd\xff"}',
        b'{"id":"https://vault.test/secrets/odd","attributes":{"enabled":NaN}}',
        b'{"a":"\\u12"}',
        b'{"a":"[,{"}',
    ]
)


def entry(name: str, **members: Any) -> dict[str, Any]:
    facts = {"enabled": True, "created": 1_700_000_000, "updated": 1_700_000_001}
    return {"id": f"{URL}/{name}", "attributes": facts, "tags": {"t": "1"}, **members}


@st.composite
def odd_entries(draw: st.DrawFn) -> Raw:
    if draw(st.booleans()):
        return Raw(draw(JUNK))
    if draw(st.booleans()):
        return Raw(json.dumps(draw(ANYTHING)).encode())
    whole = entry("odd")
    if draw(st.booleans()):
        whole[draw(MEMBERS)] = draw(ANYTHING)
    else:
        whole["attributes"] = {**whole["attributes"], draw(ATTRIBUTES): draw(ANYTHING)}
    return Raw(json.dumps(whole).encode())


def read(raw: bytes) -> list[VaultVersion | OddEntry]:
    return [_read(each) for each in page(raw).entries]


def _read(raw: bytes) -> VaultVersion | OddEntry:
    try:
        return ANSWERS.listed(raw)
    except ImplausibleAnswer as error:
        return odd(raw, error)


@settings(deadline=None)
@given(odd_entries(), st.integers(0, 2))
def test_whatever_one_entry_holds_the_others_come_out_unchanged(odd: bytes, position: int) -> None:
    good = [json.dumps(entry(name)).encode() for name in ("before", "after")]
    whole = [*good[:position], odd, *good[position:]]
    found = read(b'{"value": [' + b", ".join(whole) + b'], "nextLink": null}')
    alone = [_read(raw) for raw in good]
    if not odd.strip():  # an empty place between two commas
        assert [each for each in found if each in alone] == alone
        return
    assert len(found) == 3
    assert [*found[:position], *found[position + 1 :]] == alone
    one = found[position]
    if isinstance(one, OddEntry):
        assert one.reason
        assert len(one.name) <= 127
        assert one.name.isprintable()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"value":null}',
        b'{"value":{}}',
        b'{"value":[}',
        b'{"value":[]',
        b'{"value":[]}}',
        b'{"value":[{]}',
        b'{"value":[],"x"}',
        b'{"value":[],"value":[]}',
        b"{" * 100_000,
        b'{"value":["' + b"x" * 100_000,
    ],
)
def test_what_is_no_page_is_told(raw: bytes) -> None:
    with pytest.raises(ImplausibleAnswer):
        read(raw)


def test_an_empty_page_has_no_entries() -> None:
    assert page(b' {"value": [ ], "nextLink": "https://vault.test/secrets?x=1"} ').next_link
    assert page(b'{"value":[]}').entries == ()
    assert page(b'{"value":[],"nextLink":null}').next_link is None
    with pytest.raises(ImplausibleAnswer):
        _ = page(b'{"value":[],"nextLink":7}').next_link


@given(odd_entries(), st.sampled_from(["odd", "other"]))
def test_whatever_is_answered_is_what_was_asked_for_or_told_to_be_none(raw: bytes, asked: str) -> None:
    with contextlib.suppress(ImplausibleAnswer):
        found = ANSWERS.secret(raw, asked)
        assert found.name.lower() == asked
        assert found.value is not None
    with contextlib.suppress(ImplausibleAnswer):
        ANSWERS.expect_id(raw, asked)


@given(st.binary() | st.text().map(str.encode) | ANYTHING.map(lambda each: Raw(json.dumps(each).encode())))
def test_whatever_a_page_is_it_is_one_or_told_to_be_none(raw: bytes) -> None:
    with contextlib.suppress(ImplausibleAnswer):
        found = page(raw)
        assert len(read(raw)) == len(found.entries)
        _ = found.next_link


numbers = st.integers(-(10**99), 10**99) | st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**12), 10**12)


@given(st.none() | numbers, st.none() | numbers)
def test_numbers_of_any_size_go_through_the_mirror_and_the_api_back_to_the_vault(
    nbf: int | None, exp: int | None
) -> None:
    facts = {"enabled": True, "created": 1, "updated": 2, "nbf": nbf, "exp": exp}
    there = ANSWERS.version(entry("n/" + "a" * 32, attributes=facts), "n")
    columns = ("content_type", "tags", "enabled", "not_before", "expires_at", "carried")
    row = dict(zip(columns, attribute_columns(there.attributes), strict=True))
    here = SecretVersion(
        name=SecretName("n"),
        version=1,
        version_id="a" * 32,
        attributes=attributes_in(row, "n"),
        created_at=there.created_at,
        updated_at=there.updated_at,
    )
    shown = json.loads(wire.version_bundle(wire.Vault("https://holdfast.test"), here))["attributes"]
    assert (shown.get("nbf"), shown.get("exp")) == (nbf, exp)
    again = ANSWERS.version(entry("n/" + "a" * 32, attributes={**shown, "created": 1, "updated": 2}), "n")
    assert (again.attributes.nbf, again.attributes.exp) == (nbf, exp)
    intent = attributes_of(json.loads(json.dumps(attributes_object(here.attributes))))
    assert (intent, intent.nbf, intent.exp) == (there.attributes, nbf, exp)


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a_b", "a_b"),
        ("x" * 128, "x" * 126 + "…"),
        ("app-ä", "app-ä"),
        ("app\u200b", "app\ufffd"),
        ("app\n", "app\ufffd"),
        ("", ""),
        ("a%20b", "a%20b"),
    ],
)
def test_a_name_beyond_the_grammar_is_told_and_is_no_other_name(name: str, shown: str, escaped: bool) -> None:
    (found,) = read(json.dumps({"value": [entry(name)]}, ensure_ascii=escaped).encode())
    assert isinstance(found, OddEntry)
    assert found.name == shown


async def test_a_listing_goes_on_behind_an_odd_entry() -> None:
    def spoil(answer: Any) -> Any:
        answer["value"][1]["attributes"]["enabled"] = "yes"
        return answer

    async with ScriptedVault() as vault:
        for number in range(30):
            vault.model.set(f"app-{number:02d}", "v", Attributes())
        store = vault.connect()
        vault.fail("list", answer=spoil)
        found = [each async for each in store.secrets()]
        await store.aclose()
    (odd,) = [each for each in found if isinstance(each, OddEntry)]
    assert odd == OddEntry(name="app-01", reason="it holds no enabled that is true or false")
    assert len(found) == 30


@pytest.mark.parametrize(
    ("purged_at", "believed"), [(None, False), (1_700_000_099, False), (0, False), (1_700_000_200, True)]
)
def test_a_purge_before_the_deletion_is_none(purged_at: int | None, believed: bool) -> None:
    found = ANSWERS.listed(json.dumps(entry("gone", deletedDate=1_700_000_100, scheduledPurgeDate=purged_at)).encode())
    assert found.deleted_at is not None
    assert (found.scheduled_purge_at is not None) == believed


@pytest.mark.parametrize(
    ("vault_url", "address", "own"),
    [
        ("https://v.vault.azure.net", "https://v.vault.azure.net", True),
        ("https://V.vault.azure.net/", "https://v.Vault.azure.net:443", True),
        ("https://kv.corp.example", "https://v.vault.azure.net", True),
        ("https://kv.corp.example:8443", "https://kv.corp.example", True),
        ("https://[::1]:8443", "https://[::1]", True),
        ("https://v.vault.azure.net", "https://evil.example", False),
        ("https://v.vault.azure.net", "https://w.vault.azure.net", False),
        ("https://v.vault.azure.net", "https://v.vault.azure.net.evil.example", False),
        ("https://v.vault.azure.net", "https://v.vault.azure.net@evil.example", False),
        ("https://v.vault.azure.net", "https://[", False),
        ("https://kv.corp.example", "https://evil.example", False),
        ("https://kv.corp.example", "https://evilvault.azure.net", False),
        ("https://127.0.0.1:8443", "https://localhost:8443", False),
    ],
)
def test_an_id_of_another_vault_is_not_believed(vault_url: str, address: str, own: bool) -> None:
    answers, version_id = Answers(vault_url), "a" * 32
    told = {**entry("odd"), "id": f"{address}/secrets/odd/{version_id}", "value": "x"}
    raw = json.dumps(told).encode()
    for read_it in (
        lambda: answers.secret(raw, "odd"),
        lambda: answers.version(told, "odd"),
        lambda: answers.listed(raw),
        lambda: answers.expect_id(raw, "odd"),
    ):
        if own:
            read_it()
        else:
            with pytest.raises(ImplausibleAnswer, match="id of another vault"):
                read_it()

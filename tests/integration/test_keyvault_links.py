"""Listings whose links to the next page lead elsewhere, in circles or on for ever."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes
from holdfast.errors import NameUnavailable
from holdfast.ports import Vault
from holdfast.stores.keyvault import links
from holdfast.stores.keyvault.errors import ImplausibleAnswer
from holdfast.stores.keyvault.links import MAX_HISTORY_BYTES, Course, ListingEnds
from holdfast.stores.keyvault.pages import MAX_ENTRIES, Page, page
from tests.support.scripted_vault import ScriptedVault

VERSIONS = "/secrets/secret-001/versions"
NAMES = [f"secret-{number:03}" for number in range(60)]
HOST = "kv.internal.example"


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        for name in NAMES:
            vault.model.set(name, "x", Attributes())
        yield vault


@pytest.fixture
async def vault(scripted: ScriptedVault) -> AsyncIterator[Vault]:
    store = scripted.connect()
    yield store
    await store.aclose()


def linked(edit: Callable[[Any], Any]) -> Any:
    """A fault that changes the link of a page."""

    def change(answer: Any) -> Any:
        answer["nextLink"] = edit(answer["nextLink"])
        return answer

    return {"answer": change}


async def listed(vault: Vault) -> tuple[list[str], str]:
    """The names that came, and why no more did."""
    names: list[str] = []
    try:
        async for entry in vault.secrets():
            names += [entry.name]
    except NameUnavailable as error:
        return names, str(error)
    return names, ""


async def test_a_link_to_the_public_name_is_followed_at_our_own(scripted: ScriptedVault, vault: Vault) -> None:
    async with ScriptedVault() as elsewhere:

        def public(link: str) -> str:
            return link.replace(scripted.url, elsewhere.url)

        scripted.fail("list", times=2, **linked(public))
        assert await listed(vault) == (NAMES, "")
        assert not elsewhere.calls


async def test_the_same_with_the_names_of_azure(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.fail(
        "list", times=2, **linked(lambda link: link.replace(scripted.url, "https://fleet.vault.azure.net:443"))
    )
    assert await listed(vault) == (NAMES, "")


@pytest.mark.parametrize(
    "link",
    [
        "https://other.example/steal?$skiptoken=25",
        "https://other.example/secrets?$skiptoken=25&session=1",
        "https://other.example/secrets",
        "https://other.example/deletedsecrets?$skiptoken=25",
        "https://other.example/secrets/x/versions?$skiptoken=25",
        "https://other.example/secrets/../keys?$skiptoken=25",
        "https://other.example//secrets?$skiptoken=25",
        "/keys?$skiptoken=25",
        "https://[::1/secrets?$skiptoken=25",
        "https://other.example/secrets?$skiptoken={vaultBaseUrl}",
        "https://other.example/secrets?$skiptoken=a b",
        "secrets",
        "x" * 9000,
    ],
)
async def test_any_other_link_ends_the_listing_by_name(scripted: ScriptedVault, vault: Vault, link: str) -> None:
    scripted.fail("list", **linked(lambda _: link))
    names, why = await listed(vault)
    assert names == NAMES[:25]
    assert why.startswith("The list of '*' at Key Vault is incomplete: its link to the next page")
    assert "other.example" not in why
    assert scripted.calls["list"] == 1


async def test_pages_that_repeat_end_the_listing(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.fail("list", times=9, **linked(lambda _: f"{scripted.url}/secrets?$skiptoken=25"))
    names, why = await listed(vault)
    assert names == NAMES[:50]
    assert "its pages repeat" in why


async def test_the_same_page_under_ever_new_links_ends_the_listing(scripted: ScriptedVault, vault: Vault) -> None:
    tokens = iter(range(100))
    scripted.fail("list", times=9, **linked(lambda _: f"/secrets?$skiptoken=0&x={next(tokens)}"))
    names, why = await listed(vault)
    assert names == NAMES[:25] * 2
    assert "its pages repeat" in why


async def test_some_empty_pages_are_passed_and_endless_ones_end_the_listing(
    scripted: ScriptedVault, vault: Vault
) -> None:
    tokens = iter(range(1000))

    def empty(answer: Any) -> Any:
        return {"value": [], "nextLink": f"/secrets?$skiptoken=0&x={next(tokens)}"}

    scripted.fail("list", times=3, answer=empty)
    names, why = await listed(vault)
    assert (names, why) == (NAMES, "")
    scripted.fail("list", times=links.MAX_EMPTY_PAGES + 1, answer=empty)
    names, why = await listed(vault)
    assert names == []
    assert "its pages have no end" in why


async def test_a_listing_of_one_secrets_versions_is_named_by_it(scripted: ScriptedVault, vault: Vault) -> None:
    scripted.fail("versions", **linked(lambda _: "https://other.example/x?$skiptoken=1"))
    with pytest.raises(NameUnavailable, match="list versions of 'secret-001'"):
        _ = [version async for version in vault.versions(SecretName("secret-001"))]


async def test_versions_without_end_fill_no_memory(scripted: ScriptedVault, vault: Vault) -> None:
    """Key Vault's whole list of secrets is a stream; the versions of one are compared all at once."""
    tokens = iter(range(1000))

    def huge(answer: Any) -> Any:
        number = next(tokens)
        return {"value": [{"id": "x" * 10 * 2**20, "n": number}], "nextLink": f"{VERSIONS}?$skiptoken={number}"}

    scripted.fail("versions", times=9, answer=huge)
    versions = vault.versions(SecretName("secret-001"))
    for _ in range(MAX_HISTORY_BYTES // (10 * 2**20) + 1):
        assert await anext(versions)
    with pytest.raises(NameUnavailable, match="longer than any that is read"):
        await anext(versions)


def test_ever_new_pages_end_at_last() -> None:
    course = Course("/secrets", HOST, max_pages=10)
    pages = [Page((b"%d" % number,), b'"/secrets?$skiptoken=%d"' % number) for number in range(10)]
    assert all(map(course.after, pages[:9]))
    with pytest.raises(ListingEnds, match="no end"):
        course.after(pages[9])


@pytest.mark.parametrize("entries", [0, 25, MAX_ENTRIES])
def test_a_page_may_have_many_entries(entries: int) -> None:
    assert len(page(b'{"value":[' + b",".join([b"{}"] * entries) + b"]}").entries) == entries


def test_a_page_has_a_bounded_number_of_entries() -> None:
    with pytest.raises(ImplausibleAnswer, match=f"{MAX_ENTRIES} entries"):
        page(b'{"value":[' + b",".join([b"{}"] * 2 * MAX_ENTRIES) + b"]}")


@pytest.mark.parametrize("body", [b'{"value":[]}', b'{"value": [], "nextLink": null}', b'{"value":[],"nextLink":""}'])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_an_empty_listing_is_one(scripted: ScriptedVault, vault: Vault, body: bytes, mark: bytes) -> None:
    scripted.fail("list", body=mark + body)
    assert await listed(vault) == ([], "")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"value":[' + b"," * 2**24 + b"]}",
        b'{"value":' + b"[" * 2**23 + b"]" * 2**23 + b"}",
        b'{"value":[[' + b"{}," * 2**22 + b"{}]]}",
        b'{"value":["' + b'\\"' * 2**22,
        b'{"value":[' + b'"' * (2**24 + 1) + b"]}",
    ],
    ids=["commas", "nested", "objects", "text without an end", "quotes"],
)
def test_a_hostile_page_is_refused_after_one_look(raw: bytes) -> None:
    """Were any byte looked at more than a few times, this would take hours."""
    with pytest.raises(ImplausibleAnswer):
        page(raw)


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=80),
        st.builds(
            "{}{}{}?{}".format,
            st.sampled_from(["", "https://", "http://", "//", "https://me@"]),
            st.sampled_from(["", HOST, "other.example", "[::1]"]),
            st.sampled_from(["/secrets", "/Secrets/", "/keys", "", "/secrets/x", "/../secrets"]),
            st.text("abc$&=%24skiptokenmaxresults{} \r\n", max_size=40),
        ),
    )
)
@example("https://other.example/secrets?%24skiptoken=abc&api-version=7.9")
def test_no_link_leads_anywhere_but_to_the_same_listing_at_our_own_address(link: str) -> None:
    try:
        following = Course("/secrets", HOST).after(Page((b"{}",), json.dumps(link).encode()))
    except (ListingEnds, ImplausibleAnswer):
        return
    if following is not None:
        parts = urlsplit(following)
        assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/secrets")
        assert "api-version" not in parts.query
        assert following.isprintable()
        assert not set("{} ") & set(following)

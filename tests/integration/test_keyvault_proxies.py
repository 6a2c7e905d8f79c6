"""Key Vault, its token endpoint and its keys behind a proxy that opens tunnels."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config import AzureSettings
from holdfast.domain.intent import Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import BackendUnavailable, OutcomeUnknown
from holdfast.stores.keyvault import open_key_vault, open_vault_key
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.inspection import look_at
from holdfast.stores.keyvault.proxies import Proxies, is_exempt
from tests.support.canaries import Sweep, all_logs
from tests.support.connect_proxy import PASSWORD, USER, ConnectProxy
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault
from tests.support.vault_keys import KeysVault

NAME = SecretName("db-password")
VALUE = "canary-71c0-value"


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        vault.model.set(NAME, VALUE, Attributes())
        yield vault


async def value_of(scripted: ScriptedVault, **options: str) -> str:
    store = scripted.connect(**options)
    try:
        value = (await store.get(NAME)).value
        assert value is not None
        return value.reveal()
    finally:
        await store.aclose()


@pytest.mark.parametrize("password", [False, True])
async def test_vault_and_token_endpoint_are_reached_through_it_and_it_reads_nothing(
    scripted: ScriptedVault, password: bool
) -> None:
    async with ConnectProxy(password=password) as proxy:
        assert await value_of(scripted, proxy=proxy.url) == VALUE
        assert set(proxy.opened) == {scripted.url.removeprefix("https://")}
        assert scripted.calls["token"] == 1
        assert proxy.carried
        for secret in (VALUE, CLIENT_SECRET, NAME, "Authorization"):
            assert secret.encode() not in proxy.carried


async def test_a_proxy_that_is_itself_reached_over_tls(scripted: ScriptedVault) -> None:
    async with ConnectProxy(password=True, tls=scripted.tls) as proxy:
        assert proxy.url.startswith("https://")
        assert await value_of(scripted, proxy=proxy.url) == VALUE
        assert proxy.opened


async def test_keys_that_wrap_are_reached_through_it() -> None:
    async with KeysVault() as vault, ConnectProxy() as proxy:
        login = AzureSettings(
            tenant_id=TENANT, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, authority_host=vault.url
        )
        access = Access(login=login, ca_file=vault.ca_file, proxy=proxy.url)
        async with open_vault_key(vault.key_id, access) as key:
            assert await key.unwrap(await key.wrap(b"k" * 32)) == b"k" * 32
        assert set(proxy.opened) == {vault.url.removeprefix("https://")}


async def test_doctor_looks_through_it(scripted: ScriptedVault) -> None:
    async with ConnectProxy(password=True) as proxy:
        reach, certificate = await look_at(scripted.url, Access(ca_file=scripted.ca_file, proxy=proxy.url))
        assert (reach.kind, reach.fault) == ("", "")
        assert reach.date is not None
        assert certificate
        assert proxy.opened


async def test_what_no_proxy_names_is_reached_directly(scripted: ScriptedVault) -> None:
    async with ConnectProxy() as proxy:
        assert await value_of(scripted, proxy=proxy.url, no_proxy="example.com, 127.0.0.0/8") == VALUE
        assert not proxy.opened


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_refusal_of_the_proxy_is_named_and_nothing_was_sent(scripted: ScriptedVault, status: int) -> None:
    async with ConnectProxy(password=True, status=status) as proxy:
        store = scripted.connect(proxy=proxy.url if status != 407 else proxy.url.replace("c4n4ry", "wrong-c4n4ry"))
        with pytest.raises(BackendUnavailable, match=r"(?i)proxy") as caught:
            await store.set(NAME, SecretValue("x"), Attributes(), Marker(1, uuid4()))
        await store.aclose()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert "c4n4ry" not in str(caught.value)
    assert USER not in str(caught.value)
    assert not scripted.calls


async def test_a_proxy_that_is_down_is_named(scripted: ScriptedVault) -> None:
    async with ConnectProxy(password=True) as proxy:
        url = proxy.url
    store = scripted.connect(proxy=url)
    with pytest.raises(BackendUnavailable, match=r"(?i)proxy") as caught:
        await store.get(NAME)
    await store.aclose()
    assert "c4n4ry" not in str(caught.value)


async def test_no_log_and_no_error_shows_the_credentials_of_the_proxy(scripted: ScriptedVault) -> None:
    sweep = Sweep()
    sweep.mark("password", PASSWORD)
    sweep.mark("credentials", f"{USER}:{PASSWORD}")
    with all_logs() as lines:
        for status in (None, 403, 502):
            async with ConnectProxy(password=True, status=status) as proxy:
                url = proxy.url
                await _saw(sweep, scripted, url)
        await _saw(sweep, scripted, url)  # the proxy is gone by now
    sweep.saw("logs", *(line.encode("utf-8", "replace") for line in lines))
    assert sweep.places == {"answers", "errors", "logs"}
    assert "\n".join(map(str, sweep.hits())) == ""


async def _saw(sweep: Sweep, scripted: ScriptedVault, proxy: str) -> None:
    try:
        sweep.saw("answers", await value_of(scripted, proxy=proxy))
    except BackendUnavailable as error:
        sweep.saw("errors", error)


async def test_the_endpoint_of_a_managed_identity_on_this_machine_never_hears_of_it(
    scripted: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ConnectProxy() as proxy, ScriptedVault() as identity:
        both = scripted.ca_file.with_name("both.pem")
        both.write_bytes(scripted.ca_file.read_bytes() + identity.ca_file.read_bytes())
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity.url}/managed-identity")
        monkeypatch.setenv("IDENTITY_HEADER", CLIENT_SECRET)
        store = open_key_vault(scripted.url, Access(ca_file=both, proxy=proxy.url))
        with pytest.raises(BackendUnavailable):  # the identity's token is another vault's
            await store.get(NAME)
        await store.aclose()
        assert identity.calls["token"] == 1
        assert set(proxy.opened) == {scripted.url.removeprefix("https://")}


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("https://fleet.vault.azure.net/secrets", True),
        ("https://login.microsoftonline.com/t/oauth2/v2.0/token", True),
        ("https://127.0.0.1:8443/secrets/x", True),
        ("http://169.254.169.254/metadata/identity/oauth2/token", False),
        ("http://10.0.0.4:2377/metadata/identity/oauth2/token", False),
        ("https://169.254.1.1/token", False),
        ("https://localhost:2377/token", False),
        ("https://127.0.0.1:2377/token", False),
        ("https://[::1]:2377/token", False),
        ("https://[fe80::1]/token", False),
    ],
)
def test_what_goes_through_it(url: str, through: bool) -> None:
    access = Access(proxy="http://me:p%40ss@proxy.example:3128")
    options = Proxies(access, "https://127.0.0.1:8443", "https://login.microsoftonline.com").options(url)
    assert bool(options) is through
    if through:
        assert options["proxy"] == "http://proxy.example:3128"
        assert options["proxy_headers"] == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}


@pytest.mark.parametrize(
    ("entry", "host", "exempt"),
    [
        ("vault.azure.net", "fleet.vault.azure.net", True),
        (".vault.azure.net", "fleet.vault.azure.net", True),
        ("*.vault.azure.net", "fleet.vault.azure.net", True),
        ("VAULT.azure.NET", "fleet.vault.azure.net", True),
        ("fleet.vault.azure.net:443", "fleet.vault.azure.net", True),
        ("fleet.vault.azure.net:8443", "fleet.vault.azure.net", False),
        ("ault.azure.net", "fleet.vault.azure.net", False),
        ("10.0.0.0/8", "10.3.2.1", True),
        ("10.3.2.1", "10.3.2.1", True),
        ("10.0.0.0/8", "11.3.2.1", False),
        ("10.0.0.0/99", "10.0.0.0", False),
        ("fd00::/8", "fd12::1", True),
        ("[fd12::1]", "fd12::1", True),
        ("fd12::1", "fd12::1", True),
        ("*", "anything.example", True),
        ("a.example *", "anything.example", True),
        ("", "anything.example", False),
        (", ,", "anything.example", False),
    ],
)
def test_no_proxy(entry: str, host: str, exempt: bool) -> None:
    assert is_exempt(host, 443, f"other.example, {entry}") is exempt


@settings(deadline=None)
@given(st.text(max_size=60), st.text("abz01.:-", max_size=40))
def test_any_no_proxy_gives_an_answer(no_proxy: str, host: str) -> None:
    assert is_exempt(host, 443, no_proxy) in (True, False)


def test_credentials_may_be_a_user_alone() -> None:
    options = Proxies(Access(proxy="http://t0ken@proxy.example:3128")).options("https://fleet.vault.azure.net")
    assert options["proxy_headers"] == {"Proxy-Authorization": "Basic dDBrZW46"}


def test_no_text_of_an_access_shows_its_secrets() -> None:
    access = Access(login=AzureSettings(client_secret="c4n4ry"), proxy=f"http://{USER}:{PASSWORD}@proxy.example")
    assert "c4n4ry" not in f"{access!r} {access!s}"

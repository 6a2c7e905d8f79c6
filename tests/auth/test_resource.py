import pytest

from holdfast.auth.resource import Audience, canonical_host

OWN = Audience()
PARENT = Audience("https://kv.example")


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("127.0.0.1:8200", "127.0.0.1:8200"),
        ("V.kv.Example", "v.kv.example"),
        ("v.kv.example:443", "v.kv.example"),
        ("[::1]:8200", "[::1]:8200"),
        ("", None),
        ("a b", None),
        ("a/b", None),
        ('a"b', None),
        ("a,b", None),
        ("user@host", None),
        ("host:port", None),
        ("host:", None),
        ("höst", None),
        ("[::::]", None),
        ("[1.2.3.4]", None),
        ("[12345::]:8200", None),
        ("::1", None),
    ],
)
def test_hosts_are_canonical_or_refused(header: str, host: str | None) -> None:
    assert canonical_host(header) == host


def test_a_server_is_its_own_resource() -> None:
    assert OWN.resource_of("127.0.0.1:8200") == "https://127.0.0.1:8200"
    assert OWN.resource_of("v.kv.example") == "https://v.kv.example"


def test_a_server_under_the_configured_domain_names_that_domain() -> None:
    assert PARENT.resource_of("v.kv.example") == "https://kv.example"


@pytest.mark.parametrize(
    "host", ["kv.example", "evilkv.example", "v.kv.example:8443", "v.kv.example.evil", "127.0.0.1"]
)
def test_under_any_other_address_a_server_is_itself(host: str) -> None:
    assert PARENT.resource_of(host) == f"https://{host}"


def test_a_configured_port_counts() -> None:
    audience = Audience("https://kv.example:8443")
    assert audience.resource_of("v.kv.example:8443") == "https://kv.example:8443"
    assert audience.resource_of("v.kv.example") == "https://v.kv.example"


@pytest.mark.parametrize(
    "host", ["vault.azure.net", "x.vault.azure.net", "x.VAULT.azure.net:8200".lower(), "vault.azure.cn"]
)
def test_azure_is_never_us(host: str) -> None:
    assert OWN.resource_of(host) is None
    assert OWN.asked_for(f"https://{host}", host) is None


@pytest.mark.parametrize(
    "host", ["hf.westeurope.cloudapp.azure.com", "hf.usgovvirginia.cloudapp.usgovcloudapi.net:8200"]
)
def test_a_name_that_a_customer_gave_to_a_machine_in_azure_is_the_customers(host: str) -> None:
    assert OWN.resource_of(host) == f"https://{host}"


def test_a_server_that_goes_by_a_name_of_azures_is_that_cloud_s_vault_and_no_other() -> None:
    audience = Audience("https://vault.azure.net")
    assert audience.resource_of("my.vault.azure.net") == "https://vault.azure.net"
    assert audience.asked_for("https://vault.azure.net", "my.vault.azure.net") == "https://vault.azure.net"
    for host in ("vault.azure.net", "my.vault.azure.cn", "login.microsoftonline.com"):
        assert audience.resource_of(host) is None


def test_tokens_are_issued_for_this_server_only() -> None:
    assert PARENT.asked_for("https://kv.example", "login.kv.example") == "https://kv.example"
    assert PARENT.asked_for("https://kv.example", "127.0.0.1:8200") == "https://kv.example"
    assert PARENT.asked_for("https://127.0.0.1:8200", "127.0.0.1:8200") == "https://127.0.0.1:8200"
    for resource in ("https://other.example", "https://127.0.0.1:8200", "https://vault.azure.net", "", "kv.example"):
        assert PARENT.asked_for(resource, "login.kv.example") is None
        assert PARENT.asked_for(resource, "127.0.0.1") is None


def test_the_address_of_a_vault_stands_for_the_resource_of_vaults() -> None:
    assert PARENT.asked_for("https://v.kv.example", "v.kv.example") == "https://kv.example"
    assert PARENT.asked_for("https://w.kv.example", "v.kv.example") is None, "another one's does not"
    assert OWN.asked_for("https://my.vault.azure.net", "my.vault.azure.net") is None


NAMED = Audience("https://kv.example:8443", frozenset({"vault.shop.example", "*.apps.example", "10.0.0.7", "fd00::7"}))


@pytest.mark.parametrize(
    "host",
    [
        *("v.kv.example", "v.kv.example:8443", "a.b.kv.example", "kv.example", "vault.shop.example:444"),
        *("any.apps.example", "10.0.0.7:8200", "[fd00::7]:8200", "127.0.0.1:8200", "[::1]", "localhost:8200"),
    ],
)
def test_names_of_the_certificate_and_below_the_resource_are_its_own(host: str) -> None:
    assert NAMED.is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "other.example",
            "evilkv.example",
            "v.kv.example.evil",
            "shop.example",
            "x.vault.shop.example",
            "apps.example",
        ),
        *("a.b.apps.example", "10.0.0.8", "[fd00::8]", "127.0.0.1.evil", "x.localhost"),
    ],
)
def test_any_other_name_may_be_another_servers(host: str) -> None:
    assert not NAMED.is_own(host)


def test_nothing_but_loopback_is_its_own_where_nothing_is_known() -> None:
    assert OWN.is_own("127.0.0.1:8200")
    assert not OWN.is_own("v.kv.example")

"""What is never called."""

import socket

import pytest

from holdfast.outbound.targets import PublicAddresses, permitted, public


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "https://hooks.example:8443/", "ftp://hooks.example/", "file:///etc/passwd", ""),
        *(
            "https://127.0.0.1/",
            "https://10.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[fe80::1]/",
        ),
        *("https://0/", "https://2130706433/", "https://127.1/", "https://me:pw@hooks.example/", "https://a\\@b/"),
        *(
            "https://hooks.example:0x/",
            "https://hooks.example/\n",
            "https://hooks.example /",
            "https://ho%6fks.example/",
        ),
        *("https://allowed.example@evil.example/", "https://allowed.example:8444/", "http://allowed.example:8443/"),
    ],
)
def test_what_is_no_target_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is no|is not|holds) "):
        permitted(url, {"https://allowed.example:8443"})


def test_public_targets_and_those_allowed_by_name_are_taken() -> None:
    for url in ("https://hooks.example/a?b", "https://hooks.example:443/", "https://allowed.example:8443/x"):
        assert permitted(url, {"https://allowed.example:8443"}).geturl() == url


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("64:ff9b::a00:1", "2002:a00:1::", "2001::1", "not an address"),
        *("::127.0.0.1", "::a00:1", "fec0::1", "4000::1", "5f00::1"),
        *("168.63.129.16", "::ffff:168.63.129.16", "192.0.0.192", "192.0.0.9", "192.0.0.170", "192.88.99.1"),
        *("192.31.196.1", "192.52.193.1", "192.175.48.1", "198.18.0.1", "240.0.0.1", "100.100.100.200"),
        *("3fff::1", "3fff:fff::1", "2001:1::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2620:4f:8000::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not public(address)


def test_addresses_that_are_public() -> None:
    assert public("93.184.215.14")
    assert public("2606:4700::1111")
    assert public("168.63.129.17")
    assert public("2001:4860:4860::8888")
    assert public("::ffff:93.184.215.14")


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "127.1"])
async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(host: str) -> None:
    with pytest.raises(OSError, match="not a public address"):
        await PublicAddresses().resolve(host, 443, socket.AF_INET)

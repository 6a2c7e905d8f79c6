"""Contexts: a token goes to the address that it was given for, and to no other."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config import ClientSettings, Context, Contexts
from holdfast.errors import ConfigurationError

A, B = "https://a.example", "https://b.example:8200"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with two contexts, of which b is the current one."""
    environ = {"HOME": str(tmp_path)}
    for name, address in (("a", A), ("b", B)):
        Contexts(environ).keep(Context(name=name, address=address, token=f"token-{name}", ca_file=tmp_path / name))
    return environ


def chosen(environ: dict[str, str], name: str | None = None) -> tuple[str | None, str | None]:
    found = ClientSettings.of_command(name, environ)
    return found.address, found.token


def test_the_last_login_is_the_current_context_until_another_is_chosen(environ: dict[str, str]) -> None:
    contexts = Contexts(environ)
    assert contexts.file.stat().st_mode & 0o777 == 0o600
    assert chosen(environ) == (B, "token-b")
    contexts.use("a")
    assert chosen(environ) == (A, "token-a")
    contexts.forget("a")
    assert (chosen(environ), [each.name for each in contexts.all()]) == ((None, None), ["b"])
    assert "token-b" not in repr(contexts.all())


def test_the_order_is_flag_environment_context(environ: dict[str, str]) -> None:
    assert chosen({**environ, "HOLDFAST_ADDR": A}) == (A, "token-a")
    assert chosen({**environ, "HOLDFAST_ADDR": A, "HOLDFAST_TOKEN": "x"}) == (A, "x")
    assert chosen({**environ, "HOLDFAST_ADDR": A, "HOLDFAST_TOKEN": "x"}, "b") == (B, "token-b")
    assert chosen({**environ, "HOLDFAST_DATA_DIR": "/srv"}) == (None, None)
    assert chosen({**environ, "DATABASE_URL": "x", "HOLDFAST_ENCRYPTION_KEY_FILE": "/x"}) == (None, None)
    assert chosen({**environ, "DATABASE_URL": "of another program"}) == (B, "token-b")


@pytest.mark.parametrize("name", ["HOLDFAST_TOKEN", "HOLDFAST_CACERT"])
def test_a_token_or_a_ca_without_an_address_goes_to_no_context(environ: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_ADDR names") as refused:
        chosen({**environ, name: __file__})
    assert __file__ not in str(refused.value)


@given(
    address=st.sampled_from([None, A, B, "https://c.example"]),
    token=st.sampled_from([None, "own"]),
    name=st.sampled_from([None, "a", "b"]),
    current=st.sampled_from(["a", "b"]),
)
def test_a_kept_token_never_goes_to_another_address(
    address: str | None, token: str | None, name: str | None, current: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environ = {"HOME": str(tmp_path_factory.mktemp("home"))}
    contexts = Contexts(environ)
    for each, place in (("a", A), ("b", B)):
        contexts.keep(Context(name=each, address=place, token=f"token-{each}"))
    contexts.use(current)
    given = {"HOLDFAST_ADDR": address, "HOLDFAST_TOKEN": token}
    try:
        found = chosen(environ | {key: value for key, value in given.items() if value is not None}, name)
    except ConfigurationError:
        assert (address, token, name) == (None, "own", None)
        return
    owners = {"token-a": A, "token-b": B, "own": address}
    assert found[1] is None or found[0] == owners[found[1]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"contexts": {}}',
        '{"current": ["a"], "contexts": {}}',
        "[" * 100_000,
        "\udcff",
        '{"current": "a", "contexts": {"a": {"address": 1, "token": "x", "ca_file": null}}}',
        '{"current": null, "contexts": {"a": {"address": "https://a", "ca_file": null}}}',
    ],
)
def test_a_damaged_file_is_named_and_not_repeated(tmp_path: Path, text: str) -> None:
    contexts = Contexts({"HOME": str(tmp_path)})
    contexts.keep(Context(name="a", address=A, token="x"))
    contexts.file.write_text(text, "utf-8", "surrogateescape")
    with pytest.raises(ConfigurationError, match="damaged"):
        contexts.current()


def test_a_home_that_is_no_folder_has_no_contexts() -> None:
    assert chosen({"HOME": "/dev/null"}) == (None, None), "service accounts have such a one"
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Contexts({"HOME": "/dev/null"}).keep(Context(name="a", address=A, token="x"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    contexts = Contexts({"HOME": str(tmp_path)})
    contexts.file.mkdir(mode=0o700, parents=True)
    with pytest.raises(ConfigurationError, match=re.escape(str(contexts.file))):
        contexts.current()


def test_an_unknown_context_is_refused(environ: dict[str, str]) -> None:
    for ask in (Contexts(environ).use, Contexts(environ).forget, lambda name: chosen(environ, name)):
        with pytest.raises(ConfigurationError, match="no such context"):
            ask("c")

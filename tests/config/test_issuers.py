"""The file of trusted issuers: what it may say, and that every fault is named."""

import json
from pathlib import Path

import pytest

from holdfast.config.issuers import authority_of, entra_authority, load_issuers
from holdfast.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "docs" / "issuers.example.toml"
TENANT = "11111111-2222-3333-4444-555555555555"
GOOD = 'name = "idp"\nissuer = "https://idp.example"\naudiences = ["holdfast"]\n'


def loaded(folder: Path, text: str) -> object:
    file = folder / "issuers.toml"
    file.write_text(text)
    return load_issuers(file)


def test_the_documented_example_names_the_three() -> None:
    entra, kubernetes, github = load_issuers(EXAMPLE)
    assert (entra.name, entra.identity_claim, entra.groups_claim) == ("entra", ("oid",), ("groups",))
    assert entra.required_claims == {"tid": ("11111111-2222-3333-4444-555555555555",)}
    assert (kubernetes.name, kubernetes.groups_claim) == ("k8s", ("kubernetes.io", "namespace"))
    assert github.required_claims == {"repository_owner": ("octo-org",), "repository_owner_id": ("65",)}
    assert github.algorithms == {"RS256"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('name = "Idp"', "name must be"),
        ('name = "group"', "name must be"),
        ('name = "operator"', "name must be"),
        ('name = "a:b"', "name must be"),
        ('issuer = "http://idp.example"', "issuer must be"),
        ('issuer = "https://user@idp.example"', "issuer must be"),
        ('audiences = "holdfast"', "audiences must be"),
        ("audiences = []", "audiences must be"),
        ('audiences = [""]', "audiences must be"),
        ('algorithms = ["HS256"]', "algorithms must be"),
        ('algorithms = ["none"]', "algorithms must be"),
        ('algorithms = ["RS256", "HS256"]', "algorithms must be"),
        ('jwks_uri = "file:///etc/passwd"', "jwks_uri must be"),
        ('identity_claim = ""', "identity_claim must be"),
        ("groups_claim = 7", "groups_claim must be"),
        ("leeway_s = 31", "leeway_s must be"),
        ("leeway_s = true", "leeway_s must be"),
        ('ca_file = "/no/such/file"', "ca_file must be"),
        ("required_claims = 7", "required_claims must be"),
        ('required_claims = {tid = ""}', "required_claims must be"),
        ("required_claims = {tid = 1.5}", "required_claims must be"),
        ('audience = "x"', "'audience' is not a setting"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, line: str, fault: str) -> None:
    key = line.split(" = ", maxsplit=1)[0]
    text = "[[issuer]]\n" + "".join(each for each in GOOD.splitlines(keepends=True) if not each.startswith(f"{key} ="))
    with pytest.raises(ConfigurationError, match=fault):
        loaded(tmp_path, text + line + "\n")


@pytest.mark.parametrize("missing", ["name", "issuer", "audiences"])
def test_nothing_required_has_a_default(tmp_path: Path, missing: str) -> None:
    text = "[[issuer]]\n" + "".join(each for each in GOOD.splitlines(keepends=True) if not each.startswith(missing))
    with pytest.raises(ConfigurationError, match=f"{missing} must be"):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    "text", ["", "issuer = 1", "issuer = [1]", "other = 1\n[[issuer]]\n" + GOOD, "[[issuer]\n", "\x00"]
)
def test_what_is_no_such_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_OIDC_ISSUERS"):
        loaded(tmp_path, text)


@pytest.mark.parametrize("other", [GOOD, GOOD.replace("idp.example", "b.example"), GOOD.replace('"idp"', '"b"')])
def test_issuers_are_told_apart(tmp_path: Path, other: str) -> None:
    with pytest.raises(ConfigurationError, match="two issuers have the same"):
        loaded(tmp_path, f"[[issuer]]\n{GOOD}[[issuer]]\n{other}")


@pytest.mark.parametrize(
    ("issuer", "authority"),
    [
        (f"https://login.microsoftonline.com/{TENANT}/v2.0", f"https://login.microsoftonline.com/{TENANT}"),
        (f"https://login.microsoftonline.us/{TENANT}/v2.0", f"https://login.microsoftonline.us/{TENANT}"),
        (
            f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0",
            f"https://login.partner.microsoftonline.cn/{TENANT}",
        ),
        (f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.com/{TENANT}"),
        (f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0", None),
        ("https://login.microsoftonline.com/common/v2.0", None),
        (f"https://sts.windows.net/{TENANT}", None),
        ("https://token.actions.githubusercontent.com", None),
    ],
)
def test_where_entras_tokens_are_had_follows_from_the_issuer(issuer: str, authority: str | None) -> None:
    assert entra_authority(issuer) == authority


def written(folder: Path, **keys: object) -> Path:
    table = {"name": "idp", "issuer": "https://a.example", "audiences": ["x"], **keys}
    file = folder / "issuers.toml"
    file.write_text("[[issuer]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()))
    return file


def test_the_challenge_names_a_trusted_issuer_that_has_an_authority(tmp_path: Path) -> None:
    known = load_issuers(written(tmp_path, authority="https://a.example/tenant"))
    assert authority_of("holdfast", known) is None
    assert authority_of("idp", known) == "https://a.example/tenant"
    with pytest.raises(ConfigurationError, match="name of an issuer"):
        authority_of("other", known)
    with pytest.raises(ConfigurationError, match="give its authority"):
        authority_of("idp", load_issuers(written(tmp_path)))


@pytest.mark.parametrize(
    "authority",
    ["http://a.example/t", "https://a.example", "https://a.example/", "https://a.example/t/u", 'https://a"/t'],
)
def test_an_authority_can_stand_in_a_header(tmp_path: Path, authority: str) -> None:
    with pytest.raises(ConfigurationError, match="authority must be"):
        load_issuers(written(tmp_path, authority=authority))


@pytest.mark.parametrize(
    "audience",
    [
        "https://vault.azure.net",
        "https://management.azure.com/",
        "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "00000003-0000-0000-c000-000000000000",
    ],
)
def test_tokens_for_azures_own_services_are_never_taken(tmp_path: Path, audience: str) -> None:
    with pytest.raises(ConfigurationError, match="none of Azure's own services"):
        load_issuers(written(tmp_path, audiences=["x", audience]))


def test_an_audience_is_any_text(tmp_path: Path) -> None:
    assert load_issuers(written(tmp_path, audiences=["https://[x"]))[0].audiences == {"https://[x"}

"""The file of trusted issuers: what it may say, and that every fault is named."""

from pathlib import Path

import pytest

from holdfast.config.issuers import load_issuers
from holdfast.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "docs" / "issuers.example.toml"
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

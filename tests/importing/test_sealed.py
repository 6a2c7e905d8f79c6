"""Encrypted files and values are known for what they are, and refused with the command that opens them."""

from pathlib import Path

import pytest

from holdfast.errors import InvalidInput
from holdfast.importing.files import Format, read_file

ARMOUR = "hQEMA0s3cr3tPart0fNothing"
SOPS = "ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=,tag:A=,type:str]"
VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n66386439653236336462626566653063\n3361663533"


@pytest.mark.parametrize(
    ("name", "text", "opens"),
    [
        ("a.yaml", f"db: x\npassword: {SOPS}\nsops:\n  mac: {SOPS}\n", "sops decrypt a.yaml | holdfast import file"),
        ("a.yaml", "password: x\nsops:\n    version: 3.9.0\n", "sops decrypt a.yaml"),
        ("a.json", f'{{"password": "{SOPS}", "sops": {{"version": "3.9.0"}}}}', "--format json"),
        (".env", f"PASSWORD={SOPS}\nsops_version=3.9.0\n", "sops decrypt .env | holdfast import file /dev/stdin"),
        (".env", "PASSWORD=x\nsops_mac=x\n", "sops decrypt"),
        ("a.ini", f"[db]\npassword = {SOPS}\n\n[sops]\nversion = 3.9.0\n", "sops decrypt a.ini"),
        ("my file.yaml", f"sops:\n  age:\n  - enc: -----BEGIN AGE ENCRYPTED FILE-----\n    {ARMOUR}", "'my file.yaml'"),
        ("a.yaml", "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\n", "kubectl get secret NAME -o yaml"),
        ("a.json", '{"apiVersion": "bitnami.com/v1alpha1", "kind":"SealedSecret"}', "kubectl get secret"),
        ("a.yaml", VAULTED, "ansible-vault decrypt --output - a.yaml"),
        (".env", VAULTED, "ansible-vault decrypt"),
        ("a.yml", f"user: x\npassword: !vault |\n  {VAULTED}", "ansible localhost"),
        ("a.env", b"\0GITCRYPT\0\x8f\x11", "git-crypt unlock"),
        ("a.env", f"age-encryption.org/v1\n-> X25519 {ARMOUR}", "age --decrypt"),
        ("a.yaml", f"-----BEGIN AGE ENCRYPTED FILE-----\n{ARMOUR}\n", "age --decrypt"),
        (".env.asc", f"-----BEGIN PGP MESSAGE-----\n\n{ARMOUR}\n", "gpg --decrypt"),
        ("a.env.gpg", b"\x85\x01\x0c\x03\xbe", "gpg --decrypt a.env.gpg"),
        ("a.env.gpg", b"\x8c\x0d\x04\x09", "gpg --decrypt"),
        ("a.env.gpg", b"\xc3\x0d\x04\x09", "gpg --decrypt"),
        ("a.yaml", f"-----BEGIN PKCS7-----\n{ARMOUR}\n", "openssl cms -decrypt"),
        (".env.enc", b"Salted__\xff\x01", "openssl enc -d"),
        (".env", "U2FsdGVkX1" + ARMOUR, "openssl enc -d"),
        ("a.yaml", f"password: ENC[PKCS7,{ARMOUR}]\n", "eyaml decrypt"),
        (".env", f"A=1\nB=encrypted:{ARMOUR}\n", "dotenvx decrypt"),
        (".env.vault", f'DOTENV_VAULT_PRODUCTION="{ARMOUR}"\n', "dotenvx decrypt"),
        ("a.yml", f"password: '{{cipher}}{ARMOUR}'\n", "spring decrypt"),
        ("a.env", f"PASSWORD=ENC({ARMOUR}=)\n", "jasypt"),
        ("a.json", f'{{"password": "vault:v1:{ARMOUR}"}}', "vault write transit/decrypt"),
    ],
)  # fmt: skip
def test_what_is_encrypted_is_refused_with_what_opens_it(
    name: str, text: str | bytes, opens: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput, match="is encrypted with") as refused:
        read_file(file)
    said = str(refused.value)
    assert opens in said
    assert "Nothing was imported" in said
    assert not any(part in said for part in (ARMOUR, SOPS, "66386439653236336462626566653063"))


def test_the_line_of_an_encrypted_value_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"user: x\npassword: !vault |\n  {VAULTED}")
    with pytest.raises(InvalidInput, match=r"\(line 3\)"):
        read_file(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "A=-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "A='-----BEGIN PGP PRIVATE KEY BLOCK-----'",
        "A=the sops: of it",
        "A=ENC(ode)",
        "A=vault:v1:short",
        "A=encrypted: yes",
        "É=1",
        "KIND=SealedSecret",
    ],
)
def test_what_only_looks_like_it_is_taken(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text)
    assert len(read_file(tmp_path / "a", Format.DOTENV)) == 1

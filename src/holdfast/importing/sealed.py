"""Files that are encrypted, or that hold encrypted values: known by their marks, and refused with what opens them."""

import re
import shlex
from dataclasses import dataclass
from typing import Final

from holdfast.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class _Seal:
    """``opens`` is a command; ``{again}`` in it takes what it writes, ``{file}`` is the file."""

    name: str
    mark: re.Pattern[bytes]
    opens: str


_CLUSTER: Final = "kubectl get secret NAME -o yaml | holdfast import file /dev/stdin --format yaml"

_SEALS: Final = (  # SOPS first: its files hold keys that are sealed by age or GPG
    _Seal(
        "SOPS",
        re.compile(rb"""(?m)ENC\[AES256_GCM,|^sops_(?:version|mac|lastmodified)=|^sops:\s|^\[sops\]|"sops"\s*:\s*\{"""),
        "sops decrypt {file} | {again}",
    ),
    _Seal("Sealed Secrets", re.compile(rb"""\bkind["']?\s*:\s*["']?SealedSecret\b"""), _CLUSTER),
    _Seal("Ansible Vault", re.compile(rb"\A\s*\$ANSIBLE_VAULT;"), "ansible-vault decrypt --output - {file} | {again}"),
    _Seal(
        "Ansible Vault",
        re.compile(rb"\$ANSIBLE_VAULT;"),
        "ansible localhost -m ansible.builtin.debug -a var=NAME -e @{file} --ask-vault-pass shows one value",
    ),
    _Seal("git-crypt", re.compile(rb"\A\0GITCRYPT\0"), "git-crypt unlock, and then the same command again"),
    _Seal(
        "age",
        re.compile(rb"\Aage-encryption\.org/|-----BEGIN AGE ENCRYPTED FILE-----"),
        "age --decrypt --identity KEY-FILE {file} | {again}",
    ),
    _Seal(
        "GPG",  # its packets 1 and 3, which no UTF-8 text begins with (RFC 9580, section 4.2), or their armour
        re.compile(rb"-----BEGIN PGP MESSAGE-----|\A(?:[\x84-\x87\x8c-\x8f\xc1]|\xc3[\0-\x7f])"),
        "gpg --decrypt {file} | {again}",
    ),
    _Seal(
        "CMS", re.compile(rb"-----BEGIN (?:PKCS7|CMS)-----"), "openssl cms -decrypt -inform PEM -in {file} | {again}"
    ),
    _Seal("OpenSSL", re.compile(rb"\A(?:Salted__|U2FsdGVkX1)"), "openssl enc -d -in {file}, with its cipher | {again}"),
    _Seal("eyaml", re.compile(rb"ENC\[[A-Z0-9_]+,\s*[A-Za-z0-9+/=]"), "eyaml decrypt --file {file} | {again}"),
    _Seal(
        "dotenvx",
        re.compile(rb"""(?m)^\s*(?:export\s+)?DOTENV_(?:PUBLIC_KEY|VAULT)|[=:]\s*["']?encrypted:[A-Za-z0-9+/]{16}"""),
        "dotenvx decrypt --stdout -f {file} | {again}",
    ),
    _Seal("Spring Cloud Config", re.compile(rb"\{cipher\}"), "spring decrypt --key KEY VALUE, for each value"),
    _Seal("Jasypt", re.compile(rb"\bENC\([A-Za-z0-9+/]{16,}=*\)"), "mvn jasypt:decrypt, for each value"),
    _Seal(
        "the transit engine of Vault",
        re.compile(rb"\bvault:v[0-9]+:[A-Za-z0-9+/]{16,}"),
        "vault write transit/decrypt/KEY ciphertext=VALUE, for each value",
    ),
)


def check_open(data: bytes, called: str, form: str) -> None:
    """See that a file, to be read as ``form``, is nothing that has to be decrypted first.

    Raises:
        InvalidInput: it is, or a value in it is. The error has the line, and the command that opens it.
    """
    for seal in _SEALS:
        found = seal.mark.search(data)
        if found:
            line = data.count(b"\n", 0, found.start()) + 1
            opens = seal.opens.format(
                file=shlex.quote(called), again=f"holdfast import file /dev/stdin --format {form}"
            )
            raise InvalidInput(
                f"{called} is encrypted with {seal.name} (line {line}). Nothing was imported. Open it first: {opens}"
            )

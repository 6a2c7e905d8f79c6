"""What a name and a value say: secrets are told from names, paths, texts and what programs fill in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.scanning.judging import MAX_LENGTH, is_likely, is_of_a_manual, names_a_secret


@pytest.mark.parametrize(
    "name",
    [
        *("password", "DB_PASSWORD", "dbPassword", "db.password", "db-password", "DB_PASS", "dbPass", "dbpass", "pwd"),
        *("API_KEY", "apiKey", "apikey", "ApiKey1", "stripe_secret_key", "SECRET_KEY_BASE", "signingKey", "jwt-secret"),
        *("AUTH_TOKEN", "authToken", "_authToken", "_auth", "accessToken", "SERVICE_CREDENTIAL", "ConnectionString"),
        *("requirepass", "masterauth", "IDENTIFIED", "AUTH_SALT", "ROOT_PASSPHRASE", "token_github", "PASSWORD_PROD"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("passwordFile", "PASSWORD_FILE", "token_url", "tokenType", "secretName", "password_field", "apiKeyHeader"),
        *("next_token", "pageToken", "idempotencyToken", "clientRequestToken", "bypass", "compass", "max_tokens"),
        *(
            "tokenizer",
            "keyboard",
            "primary_key",
            "foreignKey",
            "cache_key",
            "author",
            "auth",
            "connection",
            "_",
            "",
            "9",
        ),
    ],
)
def test_names_of_something_else(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        *("Pa$w0rd99x", "100%Secure99x", "my dog has 9 fleas", "Short99xyz", "correct-horse-9", "p@ss,w0rd;x"),
        *("abcdef12-3456-7890-abcd-ef1234567890", "beed3e0d11c1eda1ef8df524a2c717a9"),
        *("hunter22", "/UTGhRAljd7v7Ui5nBz939C6y5VuyQX3"),
        *("ps7vZFDJd", "HS2bfXWQBQS6P8soDp4b0vpxyHucvkoc", "JRV+BSxckGJ0EOGTPsBDi9U4HGGmCgo8=", "BRAINS!more"),
    ],
)  # fmt: skip
def test_values_that_are_likely_secrets(value: str) -> None:
    assert is_likely(value)


@pytest.mark.parametrize(
    "value",
    [
        *("/run/secrets/db_password", "./keys/server2.pem", "C:\\keys\\db1.txt", "~/.ssh/id_ed25519", "certs/ca-2.pem"),
        *("${DB_PASSWORD}", "$DB_PASSWORD_2", "%PASSWORD1%", "{{ vault.password_1 }}", "{password1}", "%(pw1)s"),
        *("your-api-key-1", "changeme-123", "example99", "xxxxxxxx1", "********", "aaaaaaaa", "my-secret-2"),
        *("access_token", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "X-Auth-Token2", "client_secret_jwt2", "SHA-256"),
        *("RSA1_5", "HS256", "ISO-8859-1", "utf-16-le", "latin1", "https://x.y/token2", "2027-01-01", "123456789012"),
        *("settings.password2", "get_password(2)", "[a-z0-9]+", "source@address", "Enter the password, 8 characters."),
        *("Token expired after 30 seconds", "the token is 9 bytes", "\\u0418secret", "<b>9</b>word"),
        *("ENC[AES256_GCM,data:p673w9==]", "ENC(p673w9abc=)", "vault:v1:p673w9abc", "{cipher}p673w9"),
        *("x" * (MAX_LENGTH + 1), "<pw1>", "password1"),
    ],
)  # fmt: skip
def test_values_that_are_something_else(value: str) -> None:
    assert not is_likely(value)


def test_passwords_of_manuals() -> None:
    assert is_of_a_manual("Secret")
    assert not is_of_a_manual("S3cret-9")


@given(
    st.sampled_from(["/a", "aA", "_1", "a.", "-a", ":a", "(a", "\\x", "[a", "a b", "A_", "a1-", "{a", "$a", "%s"]),
    st.sampled_from(["!", "", "\x00", "Z9", "/"]),
)
def test_a_value_is_judged_without_backtracking(part: str, end: str) -> None:
    """An exponential expression would not come back from the longest value within the time that a test has."""
    value = (part * MAX_LENGTH)[: MAX_LENGTH - 2] + end
    assert is_likely(value) in {True, False}
    assert names_a_secret(value) in {True, False}

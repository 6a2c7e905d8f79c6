"""Commands on what clients show the token endpoint instead of a secret."""

from typing import IO, Final

import click

from holdfast.cli import output
from holdfast.cli.exits import ENDINGS, OK
from holdfast.cli.grammar import Change, Command
from holdfast.cli.session import with_service
from holdfast.domain.assertions import ENTRA_EXCHANGE
from holdfast.errors import SecretNotFound
from holdfast.ports import CredentialRecord

MAX_FILE: Final = 64 * 1024
"""Bytes of a file with a certificate."""

_COLUMNS: Final = ("CREDENTIAL", "KIND", "ISSUER", "SUBJECT", "AUDIENCE", "THUMBPRINT", "EXPIRES", "CREATED", "BY")


@click.command(cls=Change)
@click.argument("client_id", metavar="NAME")
@click.option("--as", "name", required=True, metavar="CREDENTIAL", help="What to call it, to remove it again.")
@click.option("--issuer", required=True, help="`iss` of the tokens: an issuer that the server trusts.")
@click.option("--subject", required=True, help="`sub` of the tokens.")
@click.option("--audience", required=True, help="`aud` of the tokens, the only one.")
def federate(client_id: str, name: str, issuer: str, subject: str, audience: str) -> None:
    """Log a client in by tokens of a trusted issuer.

    A token does with exactly this issuer, subject and audience: there are no patterns. A client that is not there is
    made. Azure's WorkloadIdentityCredential then logs in as it is.
    """
    made = with_service(
        lambda service, caller: service.client_credentials.federate(
            client_id, name=name, issuer=issuer, subject=subject, audience=audience, context=caller
        )
    )
    if audience == ENTRA_EXCHANGE:
        output.say(f"Tokens for {ENTRA_EXCHANGE} are also good at Entra ID: choose another audience where you can.")
    if made.trusted is False:
        output.say(f"No issuer of HOLDFAST_OIDC_ISSUERS is {issuer}: its tokens let no one in until one is.")
    output.say(f"Tokens of {subject} log in as {client_id}.")
    if output.wants_json():
        output.write_document(_document(made))


@click.command(cls=Change)
@click.argument("client_id", metavar="NAME")
@click.option("--as", "name", required=True, metavar="CREDENTIAL", help="What to call it, to remove it again.")
@click.option(
    "--certificate", "file", required=True, type=click.File("rb"), metavar="FILE", help="PEM, without the private key."
)
def certify(client_id: str, name: str, file: IO[bytes]) -> None:
    """Log a client in by what its certificate's key signs.

    The key is RSA and stays with the client. Azure's CertificateCredential then logs in as it is. To change the
    certificate, add the new one under another name, and withdraw the former when no one uses it.
    """
    from holdfast.crypto.assertion_certificates import certificate_facts  # noqa: PLC0415 - takes long to import

    # Looked at here, too: Azure's libraries keep the key in the same file, and it is not to be sent anywhere.
    pem = certificate_facts(file.read(MAX_FILE).decode("ascii", "replace")).pem
    made = with_service(
        lambda service, caller: service.client_credentials.certify(
            client_id, name=name, certificate=pem, context=caller
        )
    )
    output.say(f"The certificate {made.thumbprint} logs in as {client_id}.")
    if output.wants_json():
        output.write_document(_document(made))


@click.command(cls=Command)
@click.argument("client_id", metavar="NAME")
def credentials(client_id: str) -> None:
    """List what a client shows instead of a secret."""
    found = with_service(lambda service, caller: service.client_credentials.list(client_id, context=caller))
    if output.wants_json():
        output.write_document([_document(each) for each in found])
    else:
        output.write_table(_COLUMNS, [_row(each) for each in found])


@click.command(cls=Change)
@click.argument("client_id", metavar="NAME")
@click.argument("credential")
def withdraw(client_id: str, credential: str) -> int:
    """Remove a credential of a client, and end its tokens."""
    removed = with_service(
        lambda service, caller: service.client_credentials.remove(client_id, credential, context=caller)
    )
    if output.wants_json():
        output.write_document({"removed": removed})
    output.say("Removed." if removed else f"There is none. `holdfast client credentials {client_id}` shows them.")
    return OK if removed else ENDINGS[SecretNotFound].code


def _row(record: CredentialRecord) -> tuple[object, ...]:
    each = record.credential
    terms = (each.issuer or None, each.subject or None, each.audience or None)
    certificate = (record.thumbprint, record.expires_at)
    return (each.name, each.kind.value, *terms, *certificate, record.created_at, record.created_by)


def _document(record: CredentialRecord) -> dict[str, object]:
    each = record.credential
    return {
        "name": each.name,
        "kind": each.kind.value,
        "issuer": each.issuer or None,
        "subject": each.subject or None,
        "audience": each.audience or None,
        "thumbprint": record.thumbprint,
        "expires_at": record.expires_at,
        "trusted": record.trusted,
        "created_at": record.created_at,
        "created_by": record.created_by,
    }

"""Mail, taken by a real server over TLS, and what is never sent in the clear."""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from holdfast.errors import BackendUnavailable, Rejected
from holdfast.notify.mail import Mail, MailServer
from tests.support.mail import PASSWORD, USER, Mailbox, mail_server
from tests.support.notices import COMPOSER, notice

Authority = tuple[Path, ssl.SSLContext]

OPS = "ops@example.com"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


def mail(box: Mailbox, ca_file: Path | None, scheme: str = "smtp", login: str = LOGIN) -> Mail:
    server = MailServer.from_url(f"{scheme}://{login}127.0.0.1:{box.port}")
    return Mail(server, "holdfast@corp.example", COMPOSER, ca_file=ca_file)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_it_is_taken_over_tls_with_a_login_and_is_the_same_message_at_each_attempt(
    authority: Authority, scheme: str
) -> None:
    ca_file, context = authority
    told = notice()
    async with mail_server(context, implicit_tls=scheme == "smtps", login=True) as box:
        await mail(box, ca_file, scheme).send(OPS, [told])
        await mail(box, ca_file, scheme).send(OPS, [told])
    assert [each for each, _ in box.logins] == [True, True]
    (to, first), (_, second) = box.taken
    assert (to, first["To"], first["From"]) == (OPS, OPS, "holdfast@corp.example")
    assert first["Subject"] == "[Holdfast in Kraków] Stripe-Api-Key expires in 7 days"
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"].endswith("@corp.example>")
    assert first["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in first.iter_parts()] == ["text/plain", "text/html"]
    text: Any = first.get_body(("plain",))
    assert "holdfast rotate Stripe-Api-Key" in text.get_content()


async def test_another_recipient_and_another_event_are_other_messages() -> None:
    ids = {COMPOSER.id_of(recipient, [told]) for recipient in ("a@x.example", "b@x.example") for told in [notice()]}
    assert len(ids | {COMPOSER.id_of("a@x.example", [notice(), notice()])}) == 3


async def test_nothing_goes_to_a_server_that_nobody_vouches_for(authority: Authority) -> None:
    async with mail_server(authority[1], login=True) as box:
        with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1 did not take"):
            await mail(box, None).send(OPS, [notice()])
    assert (box.taken, box.logins) == ([], [])


async def test_neither_login_nor_mail_goes_over_a_connection_in_the_clear(authority: Authority) -> None:
    async with mail_server(None, starttls=False, login=True) as box:
        with pytest.raises(BackendUnavailable):
            await mail(box, authority[0]).send(OPS, [notice()])
    assert (box.taken, box.logins) == ([], [])


def test_only_a_relay_on_this_machine_may_do_without_tls_and_never_with_a_login() -> None:
    needs = {url: MailServer.from_url(url).needs_starttls for url in ("smtp://localhost", "smtp://me:x@localhost")}
    assert needs == {"smtp://localhost": None, "smtp://me:x@localhost": True}
    assert MailServer.from_url("smtp://mail.example").needs_starttls is True
    assert MailServer.from_url("smtp://mail.example").port == 587
    assert MailServer.from_url("smtps://mail.example").port == 465


async def test_a_relay_on_this_machine_takes_mail_without_tls() -> None:
    async with mail_server(None, starttls=False) as box:
        await mail(box, None, login="").send(OPS, [notice()])
    assert [address for address, _ in box.taken] == [OPS]


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ("550 5.1.1 no such user", Rejected),
        ("450 4.2.0 greylisted", BackendUnavailable),
        ("421 closing", BackendUnavailable),
    ],
)
async def test_a_recipient_refused_for_good_is_told_from_one_refused_for_now(
    authority: Authority, refusal: str, error: type[Exception]
) -> None:
    ca_file, context = authority
    async with mail_server(context) as box:
        box.refusals[OPS] = refusal
        with pytest.raises(error, match=refusal[:3]):
            await mail(box, ca_file, login="").send(OPS, [notice()])


@pytest.mark.parametrize(("answer", "error"), [("554 spam", Rejected), ("452 full", BackendUnavailable)])
async def test_a_message_refused_for_good_is_told_from_one_refused_for_now(
    authority: Authority, answer: str, error: type[Exception]
) -> None:
    async with mail_server(authority[1]) as box:
        box.answer = answer
        with pytest.raises(error, match=answer[:3]):
            await mail(box, authority[0], login="").send(OPS, [notice()])


async def test_i13_a_refused_login_is_not_for_good_and_no_error_names_the_password(authority: Authority) -> None:
    ca_file, context = authority
    async with mail_server(context, login=True) as box:
        with pytest.raises(BackendUnavailable, match="535") as caught:
            await mail(box, ca_file, login="holdfast:wr0ng@").send(OPS, [notice()])
    assert "wr0ng" not in repr(caught.value)
    assert "wr0ng" not in repr(MailServer.from_url("smtp://me:wr0ng@mail.example"))


async def test_a_server_that_is_not_there_is_down() -> None:
    box = Mailbox()
    box.port = 1
    with pytest.raises(BackendUnavailable, match="did not take"):
        await mail(box, None).send(OPS, [notice()])

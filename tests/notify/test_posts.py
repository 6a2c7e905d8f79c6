"""What is posted to chats and receivers: a real one over TLS takes it."""

import base64
import hashlib
import hmac
import json
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.notices import Event, Topic
from holdfast.errors import BackendUnavailable, Rejected, Throttled
from holdfast.notify.chats import slack, teams
from holdfast.notify.posts import Body, Post
from holdfast.notify.webhook import document
from tests.support.notices import COMPOSER, EXPIRING, NOW, notice
from tests.support.receivers import Receiver, receiving

Authority = tuple[Path, ssl.SSLContext]

KEY = b"k" * 32
HOSTILE = Event(
    id="x",
    topic=Topic.BREAK_GLASS,
    subject="pay*",
    facts={
        "summary": "Emergency <!channel> & <https://evil.example|click>",
        "requested_by": "<@U1> *bold* `code` [link](https://evil.example)\u202e",
        "reason": "x" * 3000,
    },
)


def post(receiver: Receiver, ca_file: Path | None, body: Body = document, **more: Any) -> Post:
    given = {"key": KEY, "allowed": {receiver.origin}, "ca_file": ca_file, **more}
    return Post(url=f"{receiver.origin}/hook?sig=s3cr3t", body=body, composer=COMPOSER, **given)


async def test_a_webhook_is_signed_and_has_the_same_id_at_each_attempt(authority: Authority) -> None:
    ca_file, context = authority
    told = notice(recipient="siem")
    async with receiving(context) as receiver:
        for _ in range(2):
            await post(receiver, ca_file).send("siem", [told])
        await post(receiver, ca_file).send("siem", [notice(HOSTILE)])
    head, body = receiver.taken[0]
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert head["webhook-signature"] == f"v1,{expected}"
    assert len({head["webhook-id"] for head, _ in receiver.taken}) == 2
    first = receiver.documents[0]
    assert (first["type"], first["timestamp"]) == ("secret.expiring", NOW.isoformat())
    assert (first["data"]["subject"], first["data"]["facts"]["version"]) == ("Stripe-Api-Key", "3")


async def test_a_digest_is_one_message_with_an_id_for_each_notice(authority: Authority) -> None:
    ca_file, context = authority
    async with receiving(context) as receiver:
        await post(receiver, ca_file).send("siem", [notice(), notice(HOSTILE)])
        await post(receiver, ca_file).send("siem", [notice()])
    digest, single = receiver.documents
    assert digest["type"] == "digest"
    assert [each["subject"] for each in digest["data"]["notices"]] == ["Stripe-Api-Key", "pay*"]
    assert digest["data"]["notices"][0]["id"] == single["data"]["id"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, Rejected), (307, Rejected), (410, Rejected), (429, Throttled), (401, BackendUnavailable)]
    + [(status, BackendUnavailable) for status in (408, 500, 503)],
)
async def test_i13_what_is_not_taken_is_for_now_or_for_good_and_no_error_names_the_address(
    authority: Authority, status: int, error: type[Exception]
) -> None:
    ca_file, context = authority
    async with receiving(context) as receiver:
        receiver.status = status
        channel = post(receiver, ca_file, slack, key=None)
        with pytest.raises(error, match=rf"127\.0\.0\.1 answered {status}") as caught:
            await channel.send("chat", [notice()])
        assert receiver.asked == 1
    assert "s3cr3t" not in f"{caught.value!r} {channel!r}"


async def test_nothing_goes_to_a_receiver_that_nobody_vouches_for_or_allowed(authority: Authority) -> None:
    async with receiving(authority[1]) as receiver:
        with pytest.raises(BackendUnavailable, match="gave no answer"):
            await post(receiver, None).send("siem", [notice()])
        with pytest.raises(Rejected, match=r"The address of siem is not https"):
            await post(receiver, authority[0], allowed=()).send("siem", [notice()])
        assert receiver.asked == 0
    with pytest.raises(BackendUnavailable, match="gave no answer"):
        await post(receiver, authority[0]).send("siem", [notice()])


def test_nothing_of_an_event_is_markup_in_slack() -> None:
    message = slack(COMPOSER, "chat", [notice(HOSTILE)])
    assert message["text"].startswith("[Holdfast in Kraków] Emergency &lt;!channel&gt; &amp; &lt;https")
    marked_up = [block for block in message["blocks"] if "mrkdwn" in json.dumps(block)]
    assert "evil" not in json.dumps(marked_up)
    plain = json.dumps([block for block in message["blocks"] if block not in marked_up])
    assert "<!channel>" in plain  # as plain text it is nothing but characters
    assert all(len(field["text"]) <= 2000 for block in message["blocks"] for field in block.get("fields", ()))


def test_nothing_of_an_event_is_markdown_in_teams() -> None:
    (attachment,) = teams(COMPOSER, "team", [notice(HOSTILE)])["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for element in card["body"] for run in element["inlines"]} == {"TextRun"}
    assert len(json.dumps(card)) < 28_000  # what Teams takes


def test_many_notices_fit_into_what_a_chat_takes() -> None:
    many = [notice() for _ in range(300)]
    message = slack(COMPOSER, "chat", many)
    assert len(message["blocks"]) <= 50
    assert "more: holdfast notices list" in json.dumps(message["blocks"][-1])
    assert message["text"] == "[Holdfast in Kraków] 300 notices of the day"
    assert len(json.dumps(teams(COMPOSER, "team", many))) < 28_000


@pytest.mark.parametrize("number", [2, 15, 16, 17, 60])
def test_each_notice_of_a_digest_is_told_or_counted_in_a_chat(number: int) -> None:
    events = [replace(EXPIRING, id=f"e{each}", subject=f"secret-{each}.") for each in range(number)]
    digest = [notice(event, "chat", bundle="2026-03-01") for event in events]
    shown = slack(COMPOSER, "chat", digest)
    assert len(shown["blocks"]) <= 50
    for each in (shown, teams(COMPOSER, "chat", digest)):
        text = json.dumps(each, ensure_ascii=False)
        told = sum(f"secret-{serial}. expires" in text for serial in range(number))
        counted = re.search("and ([0-9]+) more", text)
        assert told + int(counted[1] if counted else 0) == number

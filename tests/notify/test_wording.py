"""What people read: every event has its words, and nothing of it is markup."""

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import click
import pytest

from holdfast.cli.main import cli
from holdfast.domain.notices import Event, Topic
from holdfast.notify.mail_bodies import html_body, text_body
from holdfast.notify.wording import in_time, said
from tests.support.notices import COMPOSER, NOW, notice


@pytest.mark.parametrize("topic", list(Topic))
def test_every_topic_has_a_title_and_advice(topic: Topic) -> None:
    words = said(Event(id="x", topic=topic, subject="api-key"), NOW)
    assert words.title
    assert words.advice.endswith((".", ":"))
    assert "{" not in f"{words.title}{words.advice}{words.commands}"
    assert bool(words.commands) == words.advice.endswith(":")


@pytest.mark.parametrize("topic", list(Topic))
def test_every_command_that_is_advised_is_one(topic: Topic) -> None:
    for command in said(Event(id="x", topic=topic, subject="api-key", facts={"request": "7"}), NOW).commands:
        program, *words = command.split()
        assert program == "holdfast"
        found: Any = cli
        while words and isinstance(found, click.Group):
            found = found.commands[words.pop(0)]
        found.make_context("holdfast", words, resilient_parsing=False)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=14), "in 14 days"),
        (timedelta(days=6, hours=23), "in 7 days"),
        (timedelta(hours=47), "in 47 hours"),
        (timedelta(minutes=5), "within two hours"),
        (timedelta(), "now"),
    ],
)
def test_how_far_off_is_said_as_it_is_when_it_is_sent(left: timedelta, words: str) -> None:
    assert in_time(NOW + left, NOW) == words


def test_a_reminder_reads_well() -> None:
    assert text_body(COMPOSER.message("ops@example.com", [notice()])) == (
        "Stripe-Api-Key expires in 7 days\n"
        "================================\n"
        "Version  3\n"
        "Expires  8 Mar 2026, 09:30 UTC\n"
        "\n"
        "Set a new version, or rotate it:\n"
        "    holdfast set Stripe-Api-Key\n"
        "    holdfast rotate Stripe-Api-Key\n"
        "\n"
        "-- \n"
        "Holdfast in Kraków\n"
        "Sent by Holdfast. Notices never hold the value of a secret; do not answer them with one.\n"
    )


def test_another_part_may_give_its_own_headline_and_facts() -> None:
    facts = {"summary": "Ada asks for emergency access to pay-*", "requested_by": "ada", "until": NOW.isoformat()}
    words = said(Event(id="x", topic=Topic.BREAK_GLASS, subject="pay-*", facts=facts), NOW)
    assert (words.title, words.urgent) == ("Ada asks for emergency access to pay-*", True)
    assert words.facts == (("Requested by", "ada"), ("Until", "1 Mar 2026, 09:30 UTC"))


def test_a_headline_is_one_line_and_no_header_of_a_mail() -> None:
    facts = {"summary": "One\r\nBcc: evil@example.com " + "long " * 100}
    message = COMPOSER.message("a@x.example", [notice(Event(id="x", topic=Topic.KEYS, subject="k", facts=facts))])
    assert "\n" not in message.subject
    assert len(message.title) <= 150


class Tags(HTMLParser):
    """The tags of a document, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text = set[str](), ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_of_an_event_is_html_and_nothing_is_loaded_from_anywhere() -> None:
    facts = {"summary": "<script>alert(1)</script>", "by": '<img src=x onerror="x">', "{mono}": "{colour}"}
    html = html_body(
        COMPOSER.message("a@x.example", [notice(Event(id="x", topic=Topic.KEYS, subject="<b>", facts=facts))])
    )
    seen = Tags(html)
    assert seen.tags == {"html", "head", "meta", "title", "body", "table", "tr", "td", "div"}
    assert "<script>alert(1)</script>" in seen.text
    assert "{colour}" in seen.text
    assert "http" not in html

"""How messages look in chats. Nothing of an event is markup there: no name can mention anybody or be a link."""

from collections.abc import Sequence
from typing import Any, Final

from holdfast.domain.notices import Notice
from holdfast.notify.messages import Composer, left_out_line
from holdfast.notify.wording import Said

Json = dict[str, Any]

_LONGEST_FACT: Final = 500
_FACTS: Final = 10
"""Fields of a section, at most, as Slack has it."""


def slack(composer: Composer, recipient: str, notices: Sequence[Notice]) -> Json:
    """Blocks for an incoming webhook of Slack; ``text`` is what notifications show."""
    message = composer.message(recipient, notices)
    blocks = [block for item in message.items for block in _slack_blocks(item)]
    foot = "  ·  ".join(line for line in (message.installation, left_out_line(message)) if line)
    blocks.append({"type": "context", "elements": [_plain(foot)]})
    return {"text": _escaped(message.subject), "blocks": blocks}


def teams(composer: Composer, recipient: str, notices: Sequence[Notice]) -> Json:
    """An adaptive card for the workflow "when a webhook request is received" of Microsoft Teams."""
    message = composer.message(recipient, notices)
    body = [element for item in message.items for element in _card_elements(item)]
    foot = "  ·  ".join(line for line in (message.installation, left_out_line(message)) if line)
    body.append(_rich({"text": foot, "size": "Small", "isSubtle": True}, spacing="Large"))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.subject,
        "msteams": {"width": "Full"},
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _slack_blocks(item: Said) -> list[Json]:
    sign = ":rotating_light: " if item.urgent else ""
    facts = [_plain(f"{label}\n{_cut(value)}") for label, value in item.facts[:_FACTS]]
    code = "".join(f"\n`{_escaped(command).replace('`', '')}`" for command in item.commands)
    return [
        {"type": "header", "text": {"type": "plain_text", "text": f"{sign}{item.title}"[:150], "emoji": True}},
        *([{"type": "section", "fields": facts}] if facts else []),
        {"type": "section", "text": {"type": "mrkdwn", "text": f"{_escaped(item.advice)}{code}", "verbatim": True}},
    ]


def _card_elements(item: Said) -> list[Json]:
    colour = {"color": "Attention"} if item.urgent else {}
    return [
        _rich({"text": item.title, "size": "Medium", "weight": "Bolder", **colour}, spacing="Large"),
        *(
            _rich({"text": f"{label}  ", "isSubtle": True}, {"text": _cut(value)}, spacing="None")
            for label, value in item.facts
        ),
        _rich({"text": item.advice}),
        *(_rich({"text": command, "fontType": "Monospace"}, spacing="Small") for command in item.commands),
    ]


def _rich(*runs: Json, spacing: str = "Default") -> Json:
    """Text that is never taken for Markdown, as that of a ``TextBlock`` is."""
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [{"type": "TextRun", **run} for run in runs]}


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_FACT else f"{text[:_LONGEST_FACT]}…"

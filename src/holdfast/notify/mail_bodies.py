"""The two bodies of a mail: plain text, and HTML that looks alike in every client."""

from html import escape
from typing import Final

from holdfast.notify.messages import Message, left_out_line
from holdfast.notify.wording import Said

_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO: Final = "font-family:ui-monospace,SFMono-Regular,Consolas,monospace"
_CALM, _ALARM = "#2563eb", "#dc2626"

_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light"><title>{subject}</title></head>
<body style="margin:0;padding:24px 12px;background:#f3f4f6;color:#111827;{font}">
<table role="presentation" cellpadding="0" cellspacing="0" style="max-width:600px;width:100%;margin:0 auto">
<tr><td style="padding:0 4px 12px;font-size:13px;color:#6b7280">{installation}</td></tr>
{items}
<tr><td style="padding:12px 4px;font-size:12px;line-height:18px;color:#6b7280">{foot}</td></tr>
</table></body></html>
"""

_ITEM: Final = """\
<tr><td style="padding:0 0 12px"><table role="presentation" cellpadding="0" cellspacing="0" style="width:100%;\
background:#ffffff;border:1px solid #e5e7eb;border-left:4px solid {colour};border-radius:6px">
<tr><td style="padding:20px 24px 4px;font-size:18px;line-height:24px;font-weight:600">{title}</td></tr>
<tr><td style="padding:4px 24px"><table role="presentation" cellpadding="0" cellspacing="0" \
style="font-size:14px;line-height:20px">{facts}</table></td></tr>
<tr><td style="padding:8px 24px 20px;font-size:14px;line-height:20px">{advice}{commands}</td></tr>
</table></td></tr>"""

_FACT: Final = (
    '<tr><td style="padding:2px 16px 2px 0;color:#6b7280;vertical-align:top;white-space:nowrap">{}</td>'
    '<td style="padding:2px 0;word-break:break-word">{}</td></tr>'
)
_COMMAND: Final = (
    '<div style="margin:8px 0 0;padding:8px 12px;background:#f3f4f6;border-radius:4px;font-size:13px;{mono}">{}</div>'
)

_FOOT: Final = "Sent by Holdfast. Notices never hold the value of a secret; do not answer them with one."


def text_body(message: Message) -> str:
    """The plain text: readable in a terminal, nothing lost."""
    parts = ["\n".join(_text_lines(item)) for item in message.items]
    parts += [line for line in (left_out_line(message),) if line]
    return "\n\n".join([*parts, f"-- \n{message.installation}\n{_FOOT}"]) + "\n"


def html_body(message: Message) -> str:
    """The HTML: one card for each notice, no picture, no link, nothing loaded from anywhere."""
    more = left_out_line(message)
    return _PAGE.format(
        subject=escape(message.subject),
        font=_FONT,
        installation=escape(message.installation),
        items="\n".join(map(_card, message.items)),
        foot=f"{escape(more)}<br>{_FOOT}" if more else _FOOT,
    )


def _text_lines(item: Said) -> list[str]:
    width = max((len(label) for label, _ in item.facts), default=0)
    return [
        item.title,
        "=" * min(len(item.title), 78),
        *(f"{label:<{width}}  {value}" for label, value in item.facts),
        "",
        item.advice,
        *(f"    {command}" for command in item.commands),
    ]


def _card(item: Said) -> str:
    return _ITEM.format(
        colour=_ALARM if item.urgent else _CALM,
        title=escape(item.title),
        facts="".join(_FACT.format(escape(label), escape(value)) for label, value in item.facts),
        advice=escape(item.advice),
        commands="".join(_COMMAND.format(escape(command), mono=_MONO) for command in item.commands),
    )

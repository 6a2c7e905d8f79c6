"""Whom Holdfast tells of what, and how."""

from dataclasses import dataclass, field
from pathlib import Path

from holdfast.config import channels, parsing
from holdfast.config.environment import variable


@dataclass(frozen=True, kw_only=True, repr=False)
class NoticeSettings:
    """Whom Holdfast tells of what, and how."""

    smtp_url: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_SMTP_URL",
            "The mail server: smtp://user:password@host (STARTTLS) or smtps://… (TLS). Without it no mail is sent.",
            channels.mail_server,
            secret=True,
        ),
    )
    mail_from: str | None = field(
        default=None,
        metadata=variable("HOLDFAST_MAIL_FROM", "The address that mail comes from.", channels.address),
    )
    notice_channels: channels.Named = field(
        default=(),
        metadata=variable(
            "HOLDFAST_NOTICE_CHANNELS",
            "What operators are told through, comma-separated, as NAME=KIND:ADDRESS: slack:https://…, teams:https://…, "
            "webhook:https://…#whsec_…, mailto:ops@example.com, apprise:SERVICE://….",
            channels.channels,
            secret=True,
        ),
    )
    notice_routes: tuple[tuple[str, tuple[str, ...]], ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_NOTICE_ROUTES",
            "What some of them hear of only, rather than of everything: chat=secret.*+rotation.*,page=urgent.",
            channels.routes,
        ),
    )
    notice_digest: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_NOTICE_DIGEST",
            "Channels and addresses that get what is not urgent once a day, at 08:00 UTC, comma-separated; * for all.",
            channels.recipients,
        ),
    )
    notice_targets: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_NOTICE_TARGETS",
            "Origins that notices may go to although they are private or not https on port 443, comma-separated.",
            parsing.targets,
        ),
    )
    notice_ca: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_NOTICE_CA",
            "PEM file of further CAs to trust for the mail server and the receivers of notices.",
            parsing.file,
        ),
    )
    notice_name: str = field(
        default="Holdfast",
        metadata=variable(
            "HOLDFAST_NOTICE_NAME",
            "What notices call this installation.",
            channels.title,
            default="Holdfast",
        ),
    )

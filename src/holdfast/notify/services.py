"""Further services, through the library Apprise (extra ``apprise``): those of vendors on the internet alone."""

import logging
from collections.abc import Sequence
from typing import Final

import apprise

from holdfast.domain.notices import Notice
from holdfast.errors import BackendUnavailable
from holdfast.notify.mail_bodies import text_body
from holdfast.notify.messages import Composer

SCHEMES: Final = frozenset(
    {
        *("bulksms", "clicksend", "discord", "flock", "gchat", "guilded", "line", "mailgun", "msgbird", "opsgenie"),
        *("pagerduty", "pbul", "pover", "pushed", "sendgrid", "signl4", "sinch", "smtp2go", "sparkpost", "spike"),
        *("splunk", "tgram", "twilio", "twist", "victorops", "vonage", "webex", "wxteams"),
    }
)
"""Services at fixed addresses. What runs programs, writes files, or speaks to this machine or its network is not here,
nor what is addressed by a host of one's own: for that there is the signed webhook."""


class Service:
    """Implements ``ports.Channel``. The URL holds the credential of the service; no error and no log names it."""

    def __init__(self, url: str, composer: Composer) -> None:
        self._composer = composer
        self._service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Holdfast", secure_logging=True))
        _hush()
        scheme = url.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise ValueError(f"is none of the services that may be used: {', '.join(sorted(SCHEMES))}")
        if not self._service.add(url) or any(not each.verify_certificate for each in self._service):
            raise ValueError("is not what Apprise takes for that service, or asks for unverified TLS")

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        """See the port. Apprise says whether it was taken, and not why not."""
        message = self._composer.message(recipient, notices)
        kind = apprise.NotifyType.FAILURE if message.urgent else apprise.NotifyType.INFO
        try:
            taken = await self._service.async_notify(body=text_body(message), title=message.subject, notify_type=kind)
        except Exception as error:  # Apprise's plugins raise what they like, and may quote the URL
            raise BackendUnavailable(f"The service of {recipient} failed ({type(error).__name__}).") from None
        if not taken:
            raise BackendUnavailable(f"The service of {recipient} did not take the message.")


def _hush() -> None:
    """Both write addresses with credentials into the log at the level ``debug``."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.WARNING)

"""The channels of a node, from its settings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from holdfast.config import Settings
from holdfast.domain.extras import to_add
from holdfast.errors import ConfigurationError
from holdfast.notify.chats import slack, teams
from holdfast.notify.messages import Composer
from holdfast.notify.posts import Body, Post
from holdfast.notify.webhook import document
from holdfast.outbound.signature import signing_key
from holdfast.outbound.targets import permitted
from holdfast.ports import Channel
from holdfast.service.notices.announcing import EVERYTHING

if TYPE_CHECKING:
    from holdfast.notify.mail import Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """What takes notices to people. ``named``: those of operators; ``topics``: what each hears of."""

    named: Mapping[str, Channel]
    topics: Mapping[str, Collection[str]]
    mail: Channel | None
    digests: Collection[str]


def open_channels(settings: Settings, installation: UUID) -> Channels:
    """Return the channels of the settings; nothing is connected.

    Raises:
        ConfigurationError: with every fault there is, and without any address, which may be a credential.
    """
    composer = Composer(installation=settings.notice_name, namespace=installation)
    mail, faults, named = _mail(settings, composer), list(_strangers(settings)), {}
    for name, place in settings.notice_channels:
        kind, _, address = place.partition(":")
        try:
            named[name] = _MAKERS[kind](settings, composer, address)
        except ValueError as error:
            faults.append(f"HOLDFAST_NOTICE_CHANNELS: the address of {name} {error}")
    if faults:
        raise ConfigurationError(faults)
    routes = dict(settings.notice_routes)
    topics = {name: routes.get(name, EVERYTHING) for name in named}
    return Channels(named=named, topics=topics, mail=mail, digests=settings.notice_digest)


def _strangers(settings: Settings) -> Iterator[str]:
    known = {name for name, _ in settings.notice_channels}
    for name, _ in settings.notice_routes:
        if name not in known:
            yield f"HOLDFAST_NOTICE_ROUTES names {name}, which HOLDFAST_NOTICE_CHANNELS does not."
    for name in settings.notice_digest:
        if name not in known and name != "*" and "@" not in name:
            yield f"HOLDFAST_NOTICE_DIGEST names {name}, which HOLDFAST_NOTICE_CHANNELS does not."


def _mail(settings: Settings, composer: Composer) -> "Mail | None":
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    from holdfast.notify.mail import Mail, MailServer  # noqa: PLC0415 - a slow import, for those who send mail only

    return Mail(MailServer.from_url(settings.smtp_url), settings.mail_from, composer, ca_file=settings.notice_ca)


def _mailto(settings: Settings, composer: Composer, address: str) -> Channel:
    mail = _mail(settings, composer)
    if mail is None:
        raise ValueError("is one for mail: set HOLDFAST_SMTP_URL and HOLDFAST_MAIL_FROM.")
    return mail.to(address)


def _post(settings: Settings, composer: Composer, url: str, body: Body, key: bytes | None = None) -> Channel:
    try:
        permitted(url, settings.notice_targets)
    except ValueError as error:
        raise ValueError(f"{error}; others are allowed by their origin in HOLDFAST_NOTICE_TARGETS.") from None
    return Post(
        url=url, body=body, composer=composer, key=key, allowed=settings.notice_targets, ca_file=settings.notice_ca
    )


def _slack(settings: Settings, composer: Composer, address: str) -> Channel:
    return _post(settings, composer, address, slack)


def _teams(settings: Settings, composer: Composer, address: str) -> Channel:
    return _post(settings, composer, address, teams)


def _webhook(settings: Settings, composer: Composer, address: str) -> Channel:
    url, _, key = address.partition("#")
    try:
        known = signing_key(key)
    except ValueError as error:
        raise ValueError(f"needs the key that messages are signed with behind it: after #, it {error}") from None
    return _post(settings, composer, url, document, known)


def _service(_: Settings, composer: Composer, address: str) -> Channel:
    try:
        from holdfast.notify.services import Service  # noqa: PLC0415 - an extra
    except ImportError:
        raise ValueError(f"is one of Apprise, an extra that is not installed: {to_add('apprise')}") from None
    return Service(address, composer)


_MAKERS: Final[Mapping[str, Callable[[Settings, Composer, str], Channel]]] = {
    "slack": _slack,
    "teams": _teams,
    "webhook": _webhook,
    "mailto": _mailto,
    "apprise": _service,
}

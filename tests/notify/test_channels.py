"""From settings to channels: what is refused, and that no refusal tells an address, which may be a credential."""

import logging
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from holdfast.bootstrap.channels import Channels, open_channels
from holdfast.errors import BackendUnavailable, ConfigurationError
from tests.support.node import settings_for
from tests.support.notices import notice

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports all that it has


SNEAKY = "Zm9vYmFyYmF6"
"""Stands for a credential."""

DISCORD = f"discord://123456789012345678/{SNEAKY * 6}"


def channels(**more: Any) -> Channels:
    return open_channels(settings_for("postgresql://db.example/x", Path("/nowhere"), **more), UUID(int=1))


@pytest.mark.parametrize(
    ("channel", "fault"),
    [
        (f"slack:http://hooks.slack.com/{SNEAKY}", "is not https"),
        (f"teams:https://10.0.0.7/{SNEAKY}", "is not a public address"),
        (f"teams:https://me:{SNEAKY}@teams.example/", "holds a credential"),
        (f"webhook:https://hooks.example/{SNEAKY}", "after #, it must be whsec_"),
        (f"webhook:https://hooks.example/#{SNEAKY}", "after #, it must be whsec_"),
        ("mailto:ops@example.com", "set HOLDFAST_SMTP_URL"),
        *((f"apprise:{scheme}://{SNEAKY}", "is none of the services") for scheme in ("syslog", "dbus", "file", "exec")),
        *((f"apprise:{scheme}://10.0.0.7/{SNEAKY}", "is none of the") for scheme in ("json", "mailto", "windows")),
        (f"apprise:{DISCORD}?verify=no", "unverified TLS"),
        (f"apprise:discord:{SNEAKY}", "is none of the services"),
        ("apprise:discord://", "is not what Apprise takes"),
    ],
)
def test_i13_a_channel_that_cannot_be_one_is_named_and_its_address_is_not(channel: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the address of page .*{fault}") as caught:
        channels(notice_channels=(("page", channel),))
    assert SNEAKY not in f"{caught.value}"


def test_routes_and_digests_name_channels_that_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        channels(notice_routes=(("chat", ("*",)),), notice_digest=("pager", "ada@example.com", "*"))
    assert [fault.split(",")[0] for fault in caught.value.faults] == [
        "HOLDFAST_NOTICE_ROUTES names chat",
        "HOLDFAST_NOTICE_DIGEST names pager",
    ]


async def test_i13_a_service_of_apprise_that_fails_tells_no_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    caplog.set_level(logging.DEBUG)
    opened = channels(notice_channels=(("page", f"apprise:{DISCORD}"),))
    with pytest.raises(BackendUnavailable, match="The service of page did not take the message"):
        await opened.named["page"].send("page", [notice()])
    assert SNEAKY not in f"{caplog.text} {opened!r}"

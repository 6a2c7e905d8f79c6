"""Second factors: each code once, in one spelling, and guessing ends in waiting."""

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, Conflict, HoldfastError, IdentityNotFound, Throttled, Unauthenticated
from holdfast.service.manager import SecretsService
from tests.support.node import ALICE, BOB, rows, service_on
from tests.support.postgres import execute


def next_code(service: SecretsService, app: pyotp.TOTP) -> str:
    return app.at(service.now() + timedelta(seconds=30))


async def enrolled(service: SecretsService, who: AccessContext = ALICE) -> pyotp.TOTP:
    """An app with a confirmed secret, whose present code is used up: the next one is good already."""
    await service.identities.add(who.user_id, "person")
    enrolment = await service.identities.totp.enrol(context=who)
    assert enrolment.uri not in repr(enrolment)
    app = pyotp.TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])
    await service.identities.totp.confirm(app.at(service.now()), context=who)
    return app


async def test_case_6_a_code_is_good_once_in_one_spelling(service: SecretsService) -> None:
    app = await enrolled(service)
    code = next_code(service, app)
    wide = "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in code)
    for wrong in (f" {code}", f"{code[:3]} {code[3:]}", f"{code}\n"):
        with pytest.raises(Unauthenticated):
            await service.identities.verify_totp(wrong, context=ALICE)
    await service.identities.verify_totp(code, context=ALICE)
    for again in (code, wide):
        with pytest.raises(HoldfastError):
            await service.identities.verify_totp(again, context=ALICE)


async def test_an_earlier_code_is_refused_once_a_later_one_was_used(service: SecretsService) -> None:
    app = await enrolled(service)
    earlier = app.at(service.now())
    await service.identities.verify_totp(next_code(service, app), context=ALICE)
    with pytest.raises(Unauthenticated):
        await service.identities.verify_totp(earlier, context=ALICE)


async def test_a_code_used_on_several_nodes_at_once_is_accepted_once(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as one, service_on(database_url, tmp_path / "2") as two:
        app = await enrolled(one)
        code = next_code(one, app)
        tries = [node.identities.verify_totp(code, context=ALICE) for node in (one, two, one, two)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert [outcome for outcome in outcomes if outcome is None] == [None]


async def test_guessing_is_slowed_down_for_one_identity_alone(service: SecretsService, database_url: str) -> None:
    app, other = await enrolled(service), await enrolled(service, BOB)
    wrong = f"{(int(app.at(service.now())) + 1) % 10**6:06}"
    outcomes = []
    for _ in range(8):
        with pytest.raises((Unauthenticated, Throttled)) as refused:
            await service.identities.verify_totp(wrong, context=ALICE)
        outcomes.append(type(refused.value))
    assert outcomes == [Unauthenticated] * 5 + [Throttled] * 3
    with pytest.raises(Throttled) as waiting:
        await service.identities.verify_totp(next_code(service, app), context=ALICE)
    assert 0 < (waiting.value.retry_after_s or 0) <= 60
    await service.identities.verify_totp(next_code(service, other), context=BOB)
    await execute(database_url, "UPDATE identities SET totp_full_at = totp_full_at - interval '2 minutes'")
    await service.identities.verify_totp(next_code(service, app), context=ALICE)


async def test_an_unconfirmed_secret_proves_nothing(service: SecretsService) -> None:
    await service.identities.add("alice", "person")
    with pytest.raises(Unauthenticated):
        await service.identities.verify_totp("123456", context=ALICE)
    enrolment = await service.identities.totp.enrol(context=ALICE)
    app = pyotp.TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])
    with pytest.raises(Unauthenticated):
        await service.identities.verify_totp(app.at(service.now()), context=ALICE)
    await service.identities.totp.confirm(app.at(service.now()), context=ALICE)
    with pytest.raises(Conflict):
        await service.identities.totp.enrol(context=ALICE)
    with pytest.raises(Unauthenticated):
        await service.identities.totp.confirm(next_code(service, app), context=ALICE)


async def test_strangers_neither_enrol_nor_remove(service: SecretsService) -> None:
    await enrolled(service)
    for call in (
        service.identities.totp.remove("alice", context=BOB),
        service.identities.totp.enrol("alice", context=BOB),
    ):
        with pytest.raises(AccessDenied):
            await call
    with pytest.raises(IdentityNotFound):
        await service.identities.totp.enrol(context=BOB)
    assert [each.has_totp for each in await service.identities.list()] == [True]
    assert await service.identities.totp.remove("alice") is True
    assert await service.identities.totp.remove("alice") is False
    assert [each.has_totp for each in await service.identities.list()] == [False]


async def test_i8_an_edited_second_factor_is_an_alarm_and_none(service: SecretsService, database_url: str) -> None:
    app = await enrolled(service)
    await execute(database_url, "UPDATE identities SET totp_secret = sha256('x')")
    with pytest.raises(HoldfastError):
        await service.identities.verify_totp(app.at(service.now()), context=ALICE)


async def test_i13_no_secret_and_no_code_is_kept_in_clear(service: SecretsService, database_url: str) -> None:
    app = await enrolled(service)
    code = next_code(service, app)
    await service.identities.verify_totp(code, context=ALICE)
    (dump,) = await rows(
        database_url,
        "SELECT (SELECT string_agg(i::text, ',') FROM identities i), "
        "(SELECT string_agg(l::text, ',') FROM secret_access_logs l)",
    )
    assert app.secret not in "".join(map(str, dump))
    assert app.secret.encode().hex() not in dump[0]
    found = await rows(
        database_url, "SELECT operation, success FROM secret_access_logs WHERE operation LIKE 'totp%' ORDER BY id"
    )
    assert sorted(found) == [("totp.confirm", True), ("totp.enrol", True), ("totp.verify", True)]


async def test_codes_of_other_times_are_wrong(service: SecretsService) -> None:
    app = await enrolled(service)
    for minutes in (-2, 2):
        with pytest.raises(Unauthenticated):
            await service.identities.verify_totp(app.at(service.now() + timedelta(minutes=minutes)), context=ALICE)


async def test_a_burst_of_guesses_on_two_nodes_gets_no_more_tries_than_one_after_another(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path / "1") as one, service_on(database_url, tmp_path / "2") as two:
        app = await enrolled(one)
        right = {app.at(one.now() + timedelta(seconds=30 * step)) for step in range(-2, 4)}
        wrong = next(code for code in map("{:06}".format, range(10)) if code not in right)
        tries = [node.identities.verify_totp(wrong, context=ALICE) for node in (one, two) * 10]
        outcomes = [type(each) for each in await asyncio.gather(*tries, return_exceptions=True)]
        assert (outcomes.count(Unauthenticated), outcomes.count(Throttled)) == (5, 15)
        refused = await rows(
            database_url, "SELECT count(*) FROM secret_access_logs WHERE operation = 'totp.verify' AND NOT success"
        )
        assert refused == [(20,)]


async def test_setting_the_second_factor_up_anew_gives_a_guesser_no_new_tries(service: SecretsService) -> None:
    app = await enrolled(service)
    wrong = f"{(int(app.at(service.now())) + 1) % 10**6:06}"
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await service.identities.verify_totp(wrong, context=ALICE)
    await service.identities.totp.remove("alice")
    enrolment = await service.identities.totp.enrol(context=ALICE)
    app = pyotp.TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])
    with pytest.raises(Throttled):
        await service.identities.totp.confirm(app.at(service.now()), context=ALICE)


async def test_a_first_code_confirms_once_and_cannot_be_used_again(service: SecretsService) -> None:
    await service.identities.add("alice", "person")
    enrolment = await service.identities.totp.enrol(context=ALICE)
    app = pyotp.TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])
    code = app.at(service.now())
    tries = [service.identities.totp.confirm(code, context=ALICE) for _ in range(4)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert [each for each in outcomes if each is None] == [None]
    with pytest.raises(Unauthenticated):
        await service.identities.verify_totp(code, context=ALICE)


async def test_the_codes_of_a_removed_second_factor_are_worth_nothing(service: SecretsService) -> None:
    app = await enrolled(service)
    await service.identities.totp.remove("alice")
    for call in (service.identities.verify_totp, service.identities.totp.confirm):
        with pytest.raises(Unauthenticated):
            await call(next_code(service, app), context=ALICE)


async def test_what_a_database_administrator_can_do_is_what_the_security_page_says(
    service: SecretsService, database_url: str
) -> None:
    app = await enrolled(service)
    code = next_code(service, app)
    await service.identities.verify_totp(code, context=ALICE)
    await execute(database_url, "UPDATE identities SET totp_counter = NULL")
    await service.identities.verify_totp(code, context=ALICE)
    stale = app.at(service.now() - timedelta(minutes=2))
    await execute(database_url, "UPDATE identities SET totp_counter = NULL")
    with pytest.raises(Unauthenticated):
        await service.identities.verify_totp(stale, context=ALICE)

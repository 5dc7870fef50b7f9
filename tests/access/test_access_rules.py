"""The rules of access by themselves: scopes, sessions, links, pauses, rates."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from guarding import quick_hash
from hypothesis import given
from hypothesis import strategies as st

from gadus.access import sessions
from gadus.access.attempts import Attempts
from gadus.access.caller import ALL, SCOPES, Caller
from gadus.access.file import AccessFile
from gadus.access.gate import Gate
from gadus.access.granting import add_key, add_user, create_token, remove_key, remove_user, set_password
from gadus.access.grants import Key, Register
from gadus.core.errors import Busy, Unauthorized
from gadus.web.rates import Rates

NAMESPACES = ("a", "b", "default", ALL)
scopes = st.frozensets(st.sampled_from(SCOPES))
namespaces = st.frozensets(st.sampled_from(NAMESPACES))
needed = st.sampled_from([scope for scope in SCOPES if ALL not in scope])
KEY = "0f" * 32


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@given(scopes, scopes, namespaces, namespaces, needed, st.sampled_from(("a", "b", "default", "other", None)))
def test_who_is_granted_more_may_never_do_less(
    some: frozenset[str], more: frozenset[str], here: frozenset[str], there: frozenset[str], scope: str, namespace: str | None
) -> None:
    lesser, greater = Caller("lesser", some, here), Caller("greater", some | more, here | there)
    if lesser.may(scope, namespace):
        assert greater.may(scope, namespace)
    if lesser.may(scope, namespace) and namespace is not None:
        assert lesser.may(scope)
        assert lesser.reaches(namespace)


@given(scopes, namespaces, needed, st.sampled_from(("a", "b", "other")))
def test_nobody_may_what_no_grant_says(some: frozenset[str], here: frozenset[str], scope: str, namespace: str) -> None:
    covering = {scope, f"{scope.partition(':')[0]}:*", ALL}
    assert Caller("x", some, here).may(scope, namespace) == (bool(some & covering) and bool(here & {namespace, ALL}))


@given(namespaces, st.sampled_from(("", ALL, "a", "b", "other")))
def test_a_question_is_never_about_more_than_the_caller_reaches(here: frozenset[str], asked: str) -> None:
    who = Caller("x", frozenset({ALL}), here)
    about = who.among(asked)
    assert (about is None) == (ALL in here and asked in ("", ALL))
    assert about is None or all(who.reaches(one) for one in about)
    if asked not in ("", ALL):
        assert about == ({asked} if who.reaches(asked) else set())


@pytest.fixture
def file(tmp_path: Path) -> AccessFile:
    return AccessFile.of(tmp_path)


def test_of_grants_that_are_made_at_the_same_time_none_is_lost(file: AccessFile) -> None:
    names = [f"token-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as several:
        made = list(several.map(lambda name: create_token(AccessFile(file.path), name, ["*"], ["*"], None)[1].digest, names))
    assert {token.digest for token in file.read().tokens} == set(made)
    assert len({token.name for token in file.read().tokens}) == len(names)
    assert [path.name for path in file.path.parent.iterdir()] == ["access.json"]


def test_a_session_holds_for_a_day_and_as_long_as_its_key_is_let_in(file: AccessFile) -> None:
    add_key(file, "laptop", ["read:job"], ["a"], KEY)
    register = file.read()
    token = sessions.session_for(register, "key", KEY, 1000.0).reveal()
    found = sessions.caller_in(register, token, 1000.0 + sessions.SESSION_SECONDS - 1)
    assert found is not None
    assert (found.name, found.namespaces) == ("laptop", {"a"})
    assert sessions.caller_in(register, token, 1000.0 + sessions.SESSION_SECONDS) is None
    remove_key(file, "laptop")
    assert sessions.caller_in(file.read(), token, 1000.0) is None


@given(st.data())
def test_a_session_that_was_changed_anywhere_is_none(data: st.DataObject) -> None:
    register = Register(sealing="ab" * 32, keys=(_key("laptop", KEY), _key("other", "1e" * 32)))
    token = sessions.session_for(register, "key", KEY, 1000.0).reveal()
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != token[at]))
    changed = token[:at] + letter + token[at + 1 :]
    found = sessions.caller_in(register, changed, 1000.0)
    assert found is None or base64.urlsafe_b64decode(changed.split(".")[2]) == KEY.encode()
    assert sessions.caller_in(register, data.draw(st.text()), 1000.0) is None


def test_a_session_of_a_user_ends_with_the_password_it_began_with(file: AccessFile) -> None:
    add_user(file, "ann", ["read:job"], ["a"], quick_hash("first password"))
    token = sessions.session_for(file.read(), "user", "ann", 1000.0).reveal()
    assert sessions.caller_in(file.read(), token, 1001.0) is not None
    set_password(file, "ann", quick_hash("second password"))
    assert sessions.caller_in(file.read(), token, 1001.0) is None
    remove_user(file, "ann")
    assert sessions.caller_in(file.read(), token, 1001.0) is None


def test_a_link_opens_its_own_path_for_a_quarter_of_an_hour(file: AccessFile) -> None:
    create_token(file, "x", ["*"], ["*"], None)
    clock = Clock()
    gate = Gate(file, clock=clock)
    link = gate.link("/one.tar.gz")
    assert gate.holder_of_link("/one.tar.gz", **link) is not None
    assert gate.holder_of_link("/two.tar.gz", **link) is None
    clock.now += sessions.LINK_SECONDS
    assert gate.holder_of_link("/one.tar.gz", **link) is None
    assert Gate(AccessFile.of(file.path.parent / "open")).link("/one.tar.gz") == {}


async def test_wrong_passwords_from_an_address_make_it_wait_longer_each_time(file: AccessFile) -> None:
    add_user(file, "ann", ["read:job"], ["a"], quick_hash("a good password"))
    clock = Clock()
    gate = Gate(file, clock=clock)
    right = f"Basic {base64.b64encode(b'ann:a good password').decode()}"

    async def wrong(number: int, user: str = "ann") -> None:
        with pytest.raises(Unauthorized):
            await gate.caller(f"Basic {base64.b64encode(f'{user}:wrong {number}'.encode()).decode()}", "10.0.0.1")

    for number in range(5):
        await wrong(number, user="nobody" if number == 0 else "ann")
    with pytest.raises(Busy) as first:
        await gate.caller(right, "10.0.0.1")
    assert (await gate.caller(right, "10.0.0.2")).name == "ann"
    clock.now += first.value.retry_after_seconds
    await wrong(6)
    with pytest.raises(Busy) as second:
        await gate.user("ann", "a good password", "10.0.0.1")
    assert second.value.retry_after_seconds > first.value.retry_after_seconds
    clock.now += second.value.retry_after_seconds
    assert (await gate.user("ann", "a good password", "10.0.0.1")).name == "ann"
    await wrong(7)


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def test_guesses_that_are_sent_at_once_tell_no_more_than_one_by_one(file: AccessFile) -> None:
    add_user(file, "ann", ["read:job"], ["a"], quick_hash("a good password"))
    gate = Gate(file, clock=Clock())
    guesses = [*(f"wrong {number}" for number in range(20)), "a good password"]
    answers = await asyncio.gather(*(gate.caller(basic("ann", guess), "10.0.0.1") for guess in guesses), return_exceptions=True)
    assert isinstance(answers[-1], Busy)
    assert sum(isinstance(answer, Unauthorized) for answer in answers) == 5


async def test_who_has_a_password_cannot_use_it_to_guess_those_of_others_without_a_pause(file: AccessFile) -> None:
    add_user(file, "ann", ["read:job"], ["a"], quick_hash("a good password"))
    add_user(file, "mallory", ["read:job"], ["a"], quick_hash("of mallory"))
    clock = Clock()
    gate = Gate(file, clock=clock)

    async def guess(number: int) -> None:
        with pytest.raises(Unauthorized):
            await gate.user("ann", f"wrong {number}", "10.0.0.1")
        await gate.user("mallory", "of mallory", "10.0.0.1")

    for number in range(4):
        await guess(number)
    with pytest.raises(Busy):
        await guess(5)
    # Somebody who mistypes now and then never gets there.
    for number in range(10):
        clock.now += 2 * 3600
        await guess(number)


def test_who_guesses_for_weeks_still_waits() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(2000):
        attempts.failed("10.0.0.1", "ann")
        clock.now += 300
    clock.now -= 1
    with pytest.raises(Busy):
        attempts.check("10.0.0.1")


@pytest.mark.parametrize(
    "change", [lambda file: set_password(file, "ann", quick_hash("another")), lambda file: remove_user(file, "ann")]
)
async def test_a_password_that_ends_while_it_is_checked_lets_nobody_in(
    file: AccessFile, change: Callable[[AccessFile], object]
) -> None:
    """1. The check begins, in a thread. 2. The user gets another password, or is removed. 3. It was right."""
    add_user(file, "ann", ["read:job"], ["a"], quick_hash("a good password"))
    signing_in = asyncio.ensure_future(Gate(file).session_of_user("ann", "a good password", "10.0.0.1"))
    await asyncio.sleep(0)
    change(file)
    with pytest.raises(Unauthorized):
        await signing_in


async def test_a_key_that_is_not_known_is_told_how_to_become_known(file: AccessFile) -> None:
    gate = Gate(file, closed=True)
    with pytest.raises(Unauthorized) as refused:
        gate.session_of_key(KEY)
    assert KEY in refused.value.message
    assert refused.value.hint == f"on its machine: gadus auth key add NAME {KEY}"
    add_key(file, "laptop", ["read:job"], ["a"], KEY)
    caller = await gate.caller(f"Bearer {gate.session_of_key(KEY).reveal()}", "")
    assert caller.name == "laptop"


def test_users_are_asked_for_a_password_only_where_no_key_is_let_in(file: AccessFile) -> None:
    gate = Gate(file)
    create_token(file, "x", ["*"], ["*"], None)
    assert not gate.asks_for_password
    add_user(file, "ann", ["read:job"], ["a"], quick_hash("a good password"))
    assert gate.asks_for_password
    add_key(file, "laptop", ["read:job"], ["a"], KEY)
    assert not gate.asks_for_password


def test_a_client_that_asks_without_pause_is_slowed_and_others_are_not() -> None:
    clock = Clock()
    rates = Rates(per_second=10, burst=20, clock=clock)
    for _ in range(20):
        rates.count("one")
    with pytest.raises(Busy) as refused:
        rates.count("one")
    rates.count("another")
    clock.now += refused.value.retry_after_seconds * 1.01
    rates.count("one")
    with pytest.raises(Busy):
        rates.count("one")
    clock.now += 3600
    for _ in range(20):
        rates.count("one")
    with pytest.raises(Busy):
        rates.count("one")


def test_there_is_room_for_so_many_requests_at_once() -> None:
    rates = Rates(at_once=2)
    with rates.room():
        assert not rates.full
        with rates.room():
            assert rates.full
    assert not rates.full


def _key(name: str, key_id: str) -> Key:
    return Key(name=name, scopes=("*",), namespaces=("*",), created=0.0, id=key_id)

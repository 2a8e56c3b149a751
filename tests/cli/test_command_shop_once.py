"""Whoever submits a file, from wherever, and however often they are killed: each order is placed once."""

from __future__ import annotations

import random
import signal
import sys

import pytest
from support.postgresql import needs_postgresql, running_server
from support.shop_once import Shop
from support.shop_once_worker import STEPS

from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.process

NAMES = [f"#{number}" for number in range(1, 9)]
POST = {"path": "/v2/order/orders", "method": "POST"}


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def together(shop, *commands):
    """Run commands of several users at the same moment; return what each said on stderr."""
    running = [shop.start(*arguments, **options) for arguments, options in commands]
    said = [process.communicate(timeout=100)[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), said
    return said


def submitting(file, *more, **options):
    return ("orders", "submit", file, "--quiet-time", "1", "--timeout", "5", *more), options


def test_an_export_from_two_folders_is_placed_once(shop):
    one, two = shop.export("one", *NAMES), shop.export("two", *NAMES)

    first, said = shop.submit(one.name, folder="one")
    second, said_again = shop.submit(two.name, folder="two")

    assert (first, second) == (0, 0)
    assert "new journal in " in said
    assert "new journal in " not in said_again
    shop.check(one, NAMES)
    shop.check(two, NAMES)


def test_an_export_from_two_folders_at_the_same_moment_is_placed_once(shop):
    files = [shop.export(folder, *NAMES) for folder in ("one", "two", "three")]
    together(shop, *(submitting(file.name, folder=file.parent.name) for file in files))
    for file in files:
        shop.check(file, NAMES)
    assert len(shop.journals()) == 1


@pytest.mark.parametrize("users", [("one", "one"), ("one", "two")])
def test_cron_jobs_with_one_journal_place_an_export_once_at_the_same_moment(shop, shared, users):
    files = [shop.export(f"folder{place}", *NAMES) for place in range(len(users))]

    together(
        shop,
        *(
            submitting(file, user=user, folder=file.parent, KAKACLO_JOURNAL=shared)
            for file, user in zip(files, users, strict=True)
        ),
    )

    for file in files:
        shop.check(file, NAMES)
    assert shop.journals("one") == shop.journals("two") == []


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql())])
def shared(request, tmp_path):
    """A journal that several users are told to use."""
    if request.param == "sqlite":
        yield str(tmp_path / "shared.db")
        return
    with running_server() as url:
        yield f"{url}/postgres"


def test_a_user_who_comes_later_with_a_journal_of_their_own_sends_nothing_again(shop):
    """And not only the first time: the others go on placing orders that this journal hears nothing of."""
    one, two = shop.export("one", *NAMES[:3]), shop.export("two", *NAMES[:3])
    assert shop.submit(one, user="one")[0] == 0
    shop.hosted.skip(400)
    code, said = shop.submit(two, user="two")
    assert code == 0
    assert "of the last 30 days" in said
    assert "all who submit this shop's orders should share one journal" in said
    shop.check(two, NAMES[:3])

    for user, begin, end in (("two", 0, 4), ("one", 2, 6), ("two", 0, 6), ("one", 0, 7), ("two", 5, 8)):
        shop.hosted.skip(400)
        file = shop.export(f"{user}{end}", *NAMES[begin:end])
        code, said = shop.submit(file, user=user)
        assert code == 0
        assert shop.counts() == dict.fromkeys(NAMES[:end], 1)
        assert "new journal" not in said
    assert "1 of the file's orders were placed without this journal: share one" in said


@pytest.fixture
def just_placed(shop):
    """An export that another user has submitted just now, in a shop that has older orders; no search shows it yet."""
    shop.submit(shop.export("one", "#0", *NAMES[:2]), user="one")
    shop.hosted.skip(400)
    shop.sandbox.index_lag = 3600.0
    file = shop.export("one", *NAMES)
    shop.submit(file, user="one")
    return file


def start_waiting(shop, file, seconds):
    """Submit it with a new journal, against no sandbox, until it waits."""
    process = shop.start(
        "orders", "submit", file, "--quiet-time", seconds, user="two", KAKACLO_TEST_ENVIRONMENT="test"
    )
    while "nothing is sent before" not in process.stderr.readline():
        assert process.poll() is None
    return process


def test_a_new_journal_waits_for_what_another_has_just_placed(shop, just_placed):
    process = start_waiting(shop, just_placed, 2)
    shop.sandbox.index_lag = 0.0
    process.communicate(timeout=100)

    assert process.returncode == 0
    shop.check(just_placed, NAMES, also=["#0"])


def test_a_new_journal_that_dies_while_it_waits_waits_again(shop, just_placed):
    start_waiting(shop, just_placed, 600).kill()
    process = start_waiting(shop, just_placed, 2)
    shop.sandbox.index_lag = 0.0
    process.communicate(timeout=100)

    assert process.returncode == 0
    shop.check(just_placed, NAMES, also=["#0"])


def test_a_journal_that_has_sent_an_order_waits_no_more(shop, just_placed):
    shop.sandbox.index_lag = 0.0
    both = {"user": "two", "KAKACLO_TEST_ENVIRONMENT": "test"}
    told = [
        "nothing is sent before" in shop.submit(shop.export("two", *names), **both)[1]
        for names in (NAMES, [*NAMES, "#9"], [*NAMES, "#10"])
    ]
    assert told == [False, True, False], "nothing was sent in the first run, and so nothing waited for"
    assert shop.counts() == dict.fromkeys(["#0", *NAMES, "#9", "#10"], 1)


OFTEN = {"the intent is written", "the answer is there", "half a result is written"}
"""The steps that each run of the tests tries; the others take minutes."""


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=() if step in OFTEN else pytest.mark.slow) for step in STEPS]
)
def test_no_step_is_a_bad_one_to_be_killed_at(shop, step):
    if step == "KakaClo's orders are recorded":
        shop.submit(shop.export("before", NAMES[0]), user="another")
        shop.hosted.skip(400)
    file = shop.export("one", *NAMES)

    code, _ = shop.submit(file, folder="one", die_at=step)
    assert code == -signal.SIGKILL

    assert shop.submit(file, folder="two")[0] == 0
    shop.check(file, NAMES)


def test_an_answer_that_nobody_waits_for_any_more_is_found(shop):
    shop.hosted.call(shop.sandbox.faults.add, Fault("silence", times=3, **POST))
    one = shop.export("one", *NAMES)
    process = shop.start("orders", "submit", one, folder="one")
    while len(shop.counts()) < 3:
        assert process.poll() is None
    process.kill()
    process.communicate()

    assert shop.submit(one, folder="two")[0] == 0
    shop.check(one, NAMES)


def test_a_few_kills_at_any_moment(shop):
    campaign(shop, random.Random(7), rounds=1, kills=4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_kills_at_any_moment(shop):
    killed = campaign(shop, random.Random(11), rounds=10, kills=12)
    assert killed >= 100


def campaign(shop, chance, *, rounds, kills):
    """Submit exports with kills in between, from folders and by users who share a journal; check each in the end."""
    killed, known = 0, []
    shop.hosted.call(shop.sandbox.faults.add, Fault("delay", seconds=0.05, times=None, **POST))
    for turn in range(rounds):
        names = [f"#{turn}-{number}" for number in range(40)]
        known += names
        files = [shop.export(folder, *names) for folder in (f"one{turn}", f"two{turn}")]
        shared = {"KAKACLO_JOURNAL": str(shop.folder / "shared.db")} if turn % 2 else {}
        for number in range(kills):
            file = chance.choice(files)
            user = chance.choice(["one", "two"]) if shared else "one"
            killed += shop.submit_and_be_killed(
                file, chance, user=user, folder=f"folder{number % 3}", **shared
            )
        assert all(count == 1 for count in shop.counts().values())
        for file in files:
            assert shop.submit(file, folder="last", **shared)[0] == 0
            shop.check(file, names, also=known)
        sys.stdout.write(f"round {turn}: {killed} killed, {len(known)} orders, 0 doubled, 0 lost\n")
    return killed

"""What a campaign found stays mended, and a campaign makes the same cases in every run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.fuzzing import CORPUS, Broken, Case, check
from support.mutating import BLOCK, Mutator

CAMPAIGN = Path(__file__).with_name("campaign.py")
FOUND = sorted(CORPUS.glob("*.json"))


@pytest.mark.parametrize("path", FOUND, ids=[path.stem for path in FOUND])
def test_what_a_campaign_found_stays_mended(path):
    check(Case.of_file(path))


def test_a_case_is_made_by_its_seed_and_number_alone():
    numbers = [0, 7, 4711, BLOCK + 3, 5]
    forwards, backwards = Mutator(9), Mutator(9)
    made = {number: forwards.case(number) for number in numbers}
    assert {number: backwards.case(number) for number in reversed(numbers)} == made
    assert Mutator(10).case(7) != made[7]


def test_a_case_is_saved_and_read_again_as_it_is(tmp_path):
    mutator = Mutator(2)
    for number in range(200):
        case = mutator.case(number)
        (tmp_path / "case.json").write_text(case.to_json("what"))
        assert Case.of_file(tmp_path / "case.json") == case


MUTATOR = Mutator(5)


@given(st.integers(0, BLOCK - 1))
def test_a_damaged_answer_is_read_or_refused_and_costs_no_other_row(number):
    check(MUTATOR.case(number))


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (Case("GET /v1/product/products", False, b"{}", sound=b'{"code":10000,"data":[{"spu":"A"}]}', row=0), "does not name row"),
        (
            Case(
                "GET /v1/product/products",
                True,
                b'{"code":10000,"data":[{"spu":"A"},{"spu":"C"}]}',
                sound=b'{"code":10000,"data":[{"spu":"A"},{"spu":"B"}]}',
                row=0,
            ),
            "row 0 changed row 1",
        ),
        (
            Case(
                "GET /v1/product/products",
                True,
                b'{"code":10000,"data":[{"spu":"A"}]}',
                sound=b'{"code":10000,"data":[{"spu":"A"},{"spu":"B"}]}',
                row=0,
            ),
            "2 rows became 1",
        ),
    ],
)  # fmt: skip
def test_the_check_sees_what_a_damaged_row_costs(case, problem):
    with pytest.raises(Broken, match=problem):
        check(case)


def test_the_check_sees_a_foreign_error(monkeypatch):
    monkeypatch.setattr("kakaclo_async.codec.decode_body", lambda *_, **__: 1 / 0)
    with pytest.raises(Broken, match="foreign error"):
        check(Case("GET /v1/product/products", True, b"{}"))


@pytest.mark.process
def test_the_campaign_runs_and_tells_what_came_of_its_cases():
    command = [sys.executable, CAMPAIGN, "--seed", "3", "--start", "40000", "--count", "1000", "--jobs", "2"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    report = json.loads(told[told.index("{") :])
    assert (report["cases"], report["findings"]) == (1000, 0)
    assert sum(report["ends"].values()) == 1000
    shown = subprocess.run([*command, "--number", "40007"], capture_output=True, text=True, check=True).stdout
    assert '"endpoint"' in shown

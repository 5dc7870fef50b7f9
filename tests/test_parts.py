"""What a machine does not have is told at the end of the tests, with what it cost."""

from __future__ import annotations

import pytest

from parts import REQUIRE_ALL_PARTS, missing_parts, skip_without


def skipped(reason: str, how: str) -> pytest.TestReport:
    """The report of a test without Docker, as it comes from whichever process ran it."""
    with pytest.raises(pytest.skip.Exception) as told:
        skip_without("docker", reason, how)
    return pytest.TestReport("test", ("test.py", 3, "test"), {}, "skipped", ("test.py", 3, f"Skipped: {told.value}"), "setup")


def test_missing_parts_are_told_by_reports_alone_with_the_number_of_tests_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE_ALL_PARTS, raising=False)
    other = pytest.TestReport("test", ("test.py", 3, "test"), {}, "skipped", ("test.py", 3, "Skipped: not on Linux"), "call")
    reports = [skipped("no engine at tcp://a:1: gone", "start it"), other, skipped("it is old", "renew it")]
    assert missing_parts([*reports, reports[0]]) == [
        "SKIPPED: no engine at tcp://a:1: gone — 2 tests were not run; start it",
        "SKIPPED: it is old — 1 test was not run; renew it",
    ]


def test_where_all_parts_are_required_a_missing_one_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_ALL_PARTS, "1")
    with pytest.raises(pytest.fail.Exception, match="without docker: it is old — renew it"):
        skip_without("docker", "it is old", "renew it")

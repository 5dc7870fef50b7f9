"""From figures to verdicts: paired ratios, multiplied parts, gates, and a report that is kept and made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bench.__main__ import write
from bench.gates import best_peer, gates
from bench.measure import Run
from bench.report import markdown
from bench.results import Record, Results, cpu_seconds, process_seconds, seconds
from bench.shaping.traffic import Traffic
from bench.studies.study import Measured, Round


def run(took: float, **figures: float) -> Run:
    return replace(Run(took, took + 0.5, took * 2, 100 << 20, objects=2000, size_bytes=8_192_000), **figures)  # type: ignore[arg-type] # figures are fields


def record(*rounds: Round, counted: Round | None = None) -> Record:
    return Record("W3: canned", "python -m bench --workloads W3", "2025-01-01", ["a machine"], Measured(rounds, counted or {}))


def verdicts(results: Results) -> dict[str, list[str]]:
    return {gate.name: gate.row(results)[3:5] for gate in gates()}


def test_ratio_is_of_runs_of_the_same_round() -> None:
    rounds = [{"gadus": run(1), "s5cmd": run(2)}, {"gadus": run(10), "s5cmd": run(5)}, {"gadus": run(3)}]
    assert record(*rounds).ratios("gadus", "s5cmd") == [0.5, 2.0]


def test_part_is_multiplied_without_the_start_of_the_process() -> None:
    part = Run(seconds=2.0, wall_seconds=2.4, cpu_seconds=1.4, peak_bytes=0, times=10)
    assert seconds(part) == 20.0
    assert process_seconds(part) == pytest.approx(20.4)
    assert cpu_seconds(part) == pytest.approx(10.4)


def test_best_peer_is_the_one_that_gadus_beats_least() -> None:
    rounds = [{"gadus": run(2), "s5cmd": run(4), "obstore": run(3)}] * 3
    assert best_peer(record(*rounds)) == "obstore"


def test_gate_says_met_not_met_and_not_measured() -> None:
    traffic = Traffic(whole=2000, head=2, list=2)
    counted = {"gadus": run(1, traffic=traffic)}  # type: ignore[arg-type] # traffic is a field
    results = Results({"W3/raw": record({"gadus": run(1), "s5cmd": run(2)}, counted=counted)})
    said = verdicts(results)
    assert said["W3 seconds / s5cmd, raw"] == ["0.50", "yes"]
    assert said["W3 requests per object"] == ["1.0010", "**NO**"]
    assert said["W3 LIST requests per 1,000 objects"] == ["1.00", "yes"]
    assert said["W4 seconds / s5cmd, raw"] == ["", "not measured"]


def test_what_is_not_met_is_named_below_the_table_with_what_is_known_of_it() -> None:
    one = {"gadus": run(2), "s5cmd": run(1), "obstore": run(5)}
    text = markdown(Results({"W1/raw": record(one), "W3/raw": record({"gadus": run(1), "s5cmd": run(5)})}))
    assert "- W1 CPU / s5cmd, raw: most of Gadus' time" in text
    assert "- W1 seconds / best peer, raw: supposed, not measured: client and service share the cores" in text
    assert "- W3 " not in text


def test_parts_fetched_again_are_counted_for_each_connection() -> None:
    size_bytes, part_bytes = 1000, 10
    killed = Traffic(range=60, body_bytes=520, in_flight=4, longest_range_bytes=part_bytes)
    continued = Traffic(range=60, body_bytes=600)
    one = {
        "killed": replace(run(1), traffic=killed, size_bytes=size_bytes),
        "continued": replace(run(1), traffic=continued, size_bytes=size_bytes),
    }
    assert verdicts(Results({"W14/raw": record(one)}))["W14 parts fetched again per connection, raw"] == ["3.00", "**NO**"]


def test_report_is_kept_and_a_part_measured_again_joins_the_rest(tmp_path: Path) -> None:
    first = Results({"W3/raw": record({"gadus": run(1), "s5cmd": run(2)})})
    write(first, tmp_path)
    again = Results.load(tmp_path / "benchmarks" / "results.json")
    again.records["W3/s3like"] = record({"gadus": run(1), "serial": run(50)})
    write(again, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| s5cmd (the best) | 0.50 | 0.60 | 0.50 |" in text
    assert "| W3 seconds / serial, s3like | 0.050 | 0.010 | 0.020 | yes | `python -m bench --workloads W3` |" in text
    assert "### W3, raw" in text
    assert "### W3, s3like" in text
    assert (tmp_path / "benchmarks" / "W3.svg").read_text().startswith("<?xml")
    assert markdown(Results.load(tmp_path / "benchmarks" / "results.json")) == text

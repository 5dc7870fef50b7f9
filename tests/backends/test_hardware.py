"""A node has what this process may use of its machine, and the GPUs that the vendors' tools list."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gadus.backends.cgroups import limit_bytes, quota_cores
from gadus.backends.gpus import gpus_here, parse_amd, parse_intel, parse_nvidia
from gadus.backends.hardware import cores, labels_of, memory_bytes, this_machine
from gadus.config import Settings, settings_from
from gadus.core.capacity import Amounts
from gadus.core.placement import Gpu

GIB = 2**30

NVIDIA = """\
0, Tesla T4, 15360, 00000000:00:1E.0
1, NVIDIA A100-SXM4-40GB, 40960, 00000000:01:00.0
2, Odd, with a comma, [N/A], 00000000:02:00.0
"""
AMD = """\
WARNING: AMD GPU device(s) is/are in a low-power state. Check power control/runtime_status

{"card1": {"VRAM Total Memory (B)": "17163091968", "VRAM Total Used Memory (B)": "27557888",
           "Card series": "Navi 31 [Radeon RX 7900 XT]", "Card model": "0x5304", "PCI Bus": "0000:83:00.0"},
 "card0": {"PCI Bus": "0000:03:00.0", "VRAM Total Memory (B)": "68702699520", "Card Series": "AMD INSTINCT MI250",
           "Card Model": "0x740c"},
 "system": {"Driver version": "6.3.6"}}
"""
INTEL = {
    "device_list": [
        {
            "device_id": 0,
            "device_name": "Intel(R) Data Center GPU Flex 170",
            "device_type": "GPU",
            "pci_bdf_address": "0000:4d:00.0",
            "uuid": "00000000-0000-0000-0000-000000000001",
            "vendor_name": "Intel(R) Corporation",
        }
    ]
}
INTEL_0 = INTEL["device_list"][0] | {"memory_physical_size_byte": "14260719616", "memory_free_size_byte": "14200000000"}

Put = Callable[[str, str], Path]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts a program on the path, which has no other GPU tool on it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")

    def put(name: str, script: str) -> Path:
        path = programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    for name in ("nvidia-smi", "rocm-smi", "xpu-smi"):
        put(name, "exit 1")
    return put


def system(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A file system with the control groups of a process, and these files below ``/sys/fs/cgroup``."""
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_nvidia_lists_a_line_for_each() -> None:
    assert parse_nvidia(NVIDIA) == [
        Gpu(0, "Tesla T4", "NVIDIA", 15360, "00000000:00:1E.0"),
        Gpu(1, "NVIDIA A100-SXM4-40GB", "NVIDIA", 40960, "00000000:01:00.0"),
        Gpu(2, "Odd, with a comma", "NVIDIA", 0, "00000000:02:00.0"),
    ]


def test_amd_names_its_cards_in_two_ways() -> None:
    assert parse_amd(AMD) == [
        Gpu(0, "AMD INSTINCT MI250", "AMD/ATI", 65520, "0000:03:00.0"),
        Gpu(1, "Navi 31 [Radeon RX 7900 XT]", "AMD/ATI", 16368, "0000:83:00.0"),
    ]


def test_intel_tells_the_memory_of_one_device_at_a_time() -> None:
    name = "Intel(R) Data Center GPU Flex 170"
    assert parse_intel(json.dumps(INTEL)) == [Gpu(0, name, "Intel", 0, "0000:4d:00.0")]
    assert parse_intel(json.dumps(INTEL_0)) == [Gpu(0, name, "Intel", 13600, "0000:4d:00.0")]


@pytest.mark.parametrize("parse", [parse_nvidia, parse_amd, parse_intel])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "No devices were found",
        "{",
        "[]",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"card0": 1, "cardx": {}, "device_list": 3}',
        '{"device_list": [1, {}]}',
        '{"error": "Error: Level Zero Initialization Error", "errno": 36}',
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
    ],
)
def test_what_cannot_be_understood_is_no_gpu(parse: Callable[[str], list[Gpu]], text: str) -> None:
    assert parse(text) == []


def test_all_vendors_are_asked(tool: Put) -> None:
    tool("nvidia-smi", f'[ "$1 $2" = "{_ASKED_NVIDIA}" ] && cat <<X\n{NVIDIA}X')
    tool("rocm-smi", f'[ "$*" = "--showproductname --showbus --showmeminfo vram --json" ] && cat <<X\n{AMD}X')
    tool(
        "xpu-smi",
        f"""case "$*" in
        "discovery --json") echo '{json.dumps(INTEL)}';;
        "discovery --json --device 0") echo '{json.dumps(INTEL_0)}';;
        *) exit 1;; esac""",
    )
    assert [(gpu.vendor, gpu.index, gpu.memory_mib) for gpu in gpus_here()] == [
        ("NVIDIA", 0, 15360),
        ("NVIDIA", 1, 40960),
        ("NVIDIA", 2, 0),
        ("AMD/ATI", 0, 65520),
        ("AMD/ATI", 1, 16368),
        ("Intel", 0, 13600),
    ]


_ASKED_NVIDIA = "--query-gpu=index,gpu_name,memory.total,pci.bus_id --format=csv,noheader,nounits"


def test_a_machine_without_tools_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus_here() == ()


def test_a_tool_that_fails_lists_nothing_whatever_it_says(tool: Put) -> None:
    tool("nvidia-smi", f"cat <<X\n{NVIDIA}X\nexit 9")
    broken = tool("rocm-smi", "")
    broken.write_bytes(b"\x7fELF no program at all")
    assert gpus_here() == ()


def test_a_tool_that_hangs_is_killed_with_all_it_started_and_the_others_are_heard(tool: Put, tmp_path: Path) -> None:
    """
    1. nvidia-smi starts a child that holds its output open, and waits for ever.
    2. The time is over: the other vendor's GPU is there, and neither process is.
    """
    pids = tmp_path / "pids"
    tool("nvidia-smi", f"sleep 300 & echo $$ $! > {pids}; wait")
    tool("rocm-smi", f"cat <<X\n{AMD}X")
    assert [gpu.vendor for gpu in gpus_here(within_seconds=4.0)] == ["AMD/ATI", "AMD/ATI"]
    for pid in pids.read_text().split():
        while _lives(pid):  # the kernel tells nobody; the time limit of the test ends this
            time.sleep(0.01)


def test_output_without_end_is_not_read_to_its_end(tool: Put) -> None:
    tool("nvidia-smi", f"cat <<X\n{NVIDIA}X\nhead -c 8000000 /dev/zero")
    assert len(gpus_here()) == 3


def _lives(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "200000 100000"}, 2.0),
        ("0::/../elsewhere", {"cpu.max": "200000 100000", "../elsewhere/cpu.max": "100000 100000"}, 2.0),
        (
            "4:memory:/m\n3:cpu,cpuacct:/c",
            {"cpu,cpuacct/c/cpu.cfs_quota_us": "30000", "cpu,cpuacct/c/cpu.cfs_period_us": "10000"},
            3,
        ),
        ("3:cpuacct,cpu:/gone", {"cpu/cpu.cfs_quota_us": "30000", "cpu/cpu.cfs_period_us": "10000"}, 3.0),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:cpuset:/", {"cpuset/cpu.cfs_quota_us": "1", "cpuset/cpu.cfs_period_us": "1"}, None),
        ("0::/", {"cpu.max": "100 0"}, None),
        ("nonsense", {}, None),
    ],
)
def test_the_smallest_quota_of_a_group_and_those_above_it_counts(
    tmp_path: Path, groups: str, files: dict[str, str], quota: float | None
) -> None:
    assert quota_cores(system(tmp_path, groups, files)) == quota


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/a/b", {"a/b/memory.max": "1000", "a/memory.max": "500", "memory.max": "max"}, 500),
        ("0::/a", {"a/memory.max": "max"}, None),
        ("5:memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "700"}, 700),
        ("5:memory:/gone", {"memory/memory.limit_in_bytes": "700"}, 700),
        ("5:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_limit_of_a_group_and_those_above_it_counts(
    tmp_path: Path, groups: str, files: dict[str, str], limit: int | None
) -> None:
    assert limit_bytes(system(tmp_path, groups, files)) == limit


def test_a_process_has_no_more_than_its_groups_and_its_affinity_allow(tmp_path: Path) -> None:
    assert cores(tmp_path) == len(os.sched_getaffinity(0)), "no groups at all"
    small = system(tmp_path, "0::/", {"cpu.max": "10000 100000", "memory.max": "1000000"})
    assert cores(small) == 0.1
    assert memory_bytes(small) == 1_000_000
    large = system(tmp_path, "0::/", {"cpu.max": "999900000 100000", "memory.max": str(2**59)})
    assert cores(large) == len(os.sched_getaffinity(0))
    assert memory_bytes(large) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_affinity_of_a_process_counts(tmp_path: Path) -> None:
    one = min(os.sched_getaffinity(0))
    code = "from pathlib import Path; from gadus.backends.hardware import cores; print(cores(Path('/nowhere')))"
    command = ["taskset", "-c", str(one), "python", "-c", code]
    python = {"PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"}  # type: ignore[attr-defined]
    assert subprocess.run(command, capture_output=True, text=True, env=python, check=True, timeout=60).stdout == "1.0\n"


def test_labels_are_bacalhaus_and_can_be_named_in_a_constraint() -> None:
    labels = labels_of([Gpu(0, "Tesla T4", "NVIDIA", 15360), Gpu(0, "Intel(R) Arc(TM) A770", "Intel")])
    assert labels["Operating-System"] == "linux"
    assert labels["GPU-0"] == "Tesla-T4"
    assert labels["GPU-0-Memory"] == "15360-MiB"
    assert labels["GPU-1"] == "Intel-R--Arc-TM--A770"
    assert "GPU-1-Memory" not in labels
    assert len(labels_of([Gpu(0, "x" * 80 + ")", "NVIDIA")])["GPU-0"]) == 63


def test_a_node_has_what_the_settings_give_of_the_machine(tmp_path: Path) -> None:
    settings = settings_from(
        {
            "GADUS_CAPACITY_CPU": "100m",
            "GADUS_CAPACITY_MEMORY": "64MiB",
            "GADUS_CAPACITY_DISK": "1kB",
            "GADUS_CAPACITY_GPU": "1",
            "GADUS_JOB_MAX_MEMORY": "50%",
            "GADUS_LABELS": "zone=a,Architecture=mine",
            "GADUS_REJECT_NETWORKED": "true",
            "GADUS_REJECT_STATELESS": "true",
            "GADUS_ENGINES": "wasm",
        },
        data_dir=str(tmp_path / "data"),
    )
    node = this_machine(settings, gpus=[Gpu(0, "T4", "NVIDIA"), Gpu(1, "T4", "NVIDIA")])
    assert node.total == Amounts(0.1, 64 * 2**20, 1000, 1)
    assert node.per_job == Amounts(0.1, 32 * 2**20, 1000, 1)
    assert [gpu.index for gpu in node.gpu_devices] == [0]
    assert node.labels["zone"] == "a"
    assert node.labels["Architecture"] == "mine"
    assert "GPU-1" not in node.labels
    assert node.engines == {"wasm"}
    assert node.sources is None
    assert not node.accepts_network
    assert node.rejects_stateless
    assert node.id
    assert node.name


def test_what_the_cache_would_give_up_counts_as_free(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "data")
    settings = replace(settings, capacity=replace(settings.capacity, disk=replace(settings.capacity.disk, share=1.0)))
    without = this_machine(settings, gpus=[]).disk_bytes
    # Others write to this disk meanwhile, but not so much.
    assert this_machine(settings, gpus=[], reclaimable_bytes=2**50).disk_bytes - without > 2**49

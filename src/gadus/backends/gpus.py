"""The GPUs of this machine, as the tools of their vendors list them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from gadus.core.placement import Gpu

TOOL_SECONDS = 10.0
"""A tool that takes longer hangs in its driver."""
_MIB = 2**20
_MOST_OUTPUT_BYTES = 4 * _MIB
_NVIDIA = (
    "nvidia-smi",
    "--query-gpu=index,gpu_name,memory.total,pci.bus_id",
    "--format=csv,noheader,nounits",
)
_AMD = ("rocm-smi", "--showproductname", "--showbus", "--showmeminfo", "vram", "--json")
_INTEL = ("xpu-smi", "discovery", "--json")


def gpus_here(*, within_seconds: float = TOOL_SECONDS) -> tuple[Gpu, ...]:
    """
    Every GPU that a tool lists, by vendor and number.

    None of a vendor whose tool is not there, fails, does not end within the time, or says what cannot be understood: a machine
    without a working driver has no GPU that a job could use.
    """
    with ThreadPoolExecutor(3) as side_by_side:
        found = [
            side_by_side.submit(_nvidia, within_seconds),
            side_by_side.submit(_amd, within_seconds),
            side_by_side.submit(_intel, within_seconds),
        ]
    return tuple(gpu for one in found for gpu in one.result())


def parse_nvidia(text: str) -> list[Gpu]:
    """The lines of nvidia-smi: number, name, MiB, address."""
    gpus = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) < 4 or not fields[0].isdecimal():
            continue
        # A name may hold a comma, the others do not.
        name = ", ".join(fields[1:-2])
        gpus.append(Gpu(int(fields[0]), name, "NVIDIA", _number(fields[-2]), fields[-1]))
    return sorted(gpus, key=lambda gpu: gpu.index)


def parse_amd(text: str) -> list[Gpu]:
    """The document of rocm-smi: an object for each card, and others. The case of its keys depends on its version."""
    gpus = []
    for card, described in _document(text).items():
        number = card.removeprefix("card")
        if not isinstance(described, dict) or not number.isdecimal():
            continue
        told = {key.lower(): str(value) for key, value in described.items()}
        name = _first(told, "card series", "card model", "card sku") or "AMD GPU"
        gpus.append(
            Gpu(int(number), name, "AMD/ATI", _number(told.get("vram total memory (b)", "")) // _MIB, told.get("pci bus", ""))
        )
    return sorted(gpus, key=lambda gpu: gpu.index)


def parse_intel(text: str) -> list[Gpu]:
    """The document of xpu-smi about all devices, or about one of them. Only the latter may tell the memory."""
    document = _document(text)
    listed = document.get("device_list", [document] if "device_id" in document else [])
    return [
        Gpu(
            _number(str(told["device_id"])),
            str(told.get("device_name", "Intel GPU")),
            "Intel",
            _number(str(told.get("memory_physical_size_byte", ""))) // _MIB,
            str(told.get("pci_bdf_address", "")),
        )
        for told in (listed if isinstance(listed, list) else [])
        if isinstance(told, dict) and "device_id" in told
    ]


def _nvidia(within_seconds: float) -> list[Gpu]:
    return parse_nvidia(_said(_NVIDIA, within_seconds))


def _amd(within_seconds: float) -> list[Gpu]:
    return parse_amd(_said(_AMD, within_seconds))


def _intel(within_seconds: float) -> list[Gpu]:
    listed = parse_intel(_said(_INTEL, within_seconds))
    return [
        next(iter(parse_intel(_said((*_INTEL, "--device", str(gpu.index)), within_seconds))), gpu)
        if not gpu.memory_mib
        else gpu
        for gpu in listed
    ]


def _said(command: Sequence[str], within_seconds: float) -> str:
    """The output of a tool that ends well in time; empty otherwise."""
    found = shutil.which(command[0])
    if found is None:
        return ""
    # Into a file: from a pipe, the end would be waited for as long as any child of the tool holds it.
    with tempfile.TemporaryFile() as output:
        try:
            tool = subprocess.Popen(
                [found, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return ""
        try:
            exit_code = tool.wait(within_seconds)
        except subprocess.TimeoutExpired:
            _kill(tool)
            return ""
        output.seek(0)
        return output.read(_MOST_OUTPUT_BYTES).decode(errors="replace") if exit_code == 0 else ""


def _kill(tool: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(tool.pid, signal.SIGKILL)
    # One that sleeps in its driver cannot even be killed: it is left to the system.
    with suppress(subprocess.TimeoutExpired):
        tool.wait(1.0)


def _document(text: str) -> Mapping[str, Any]:
    """The first JSON object in `text`, which warnings may precede; empty when there is none."""
    start = text.find("{")
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start) if start >= 0 else ({}, 0)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _first(told: Mapping[str, str], *keys: str) -> str:
    return next((told[key] for key in keys if told.get(key, "N/A") not in ("", "N/A")), "")


def _number(text: str) -> int:
    """0 for what is none, as "[N/A]"."""
    return int(text) if text.isdecimal() else 0

"""The tree keeps the shape that CONTRIBUTING promises."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gadus import plugins

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "gadus"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_LINES = 400
VAGUE = {"util", "utils", "helper", "helpers", "common", "base", "manager", "misc"}
# Beside the settings: the AWS credential chain has its own rules, --template-envs is about the environment itself, and the
# process of a program gets none.
MAY_READ_ENVIRONMENT = {
    "config/reading.py",
    "config/client.py",
    "config/exporting.py",
    "config/profiles.py",
    "config/writing.py",
    "s3/credentials.py",
    "cli/commands/job_run.py",
    "engines/_wasm_started.py",
}
DOT = r"\."
# Put together here, so that this file does not name them either.
HOSTS = re.compile(rf"py{'pi'}{DOT}org|python{'hosted'}{DOT}org|np{'mjs'}{DOT}org|deb{DOT}deb{'ian'}{DOT}org")


def name_of(module: Path) -> str:
    return module.relative_to(SOURCE).as_posix()


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def swallows_all(tree: ast.AST) -> Iterator[int]:
    """Lines that catch every error and do not raise it again at their end."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {one.id if isinstance(one, ast.Name) else "" for one in caught if one is not None}
            raised_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if (node.type is None or names & {"Exception", "BaseException"}) and not raised_again:
                yield node.lineno


def reads_environment(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            if node.attr in ("environ", "environb", "getenv", "getenvb"):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for name in node.names if name.name in ("environ", "getenv"))


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_module_is_short_says_what_it_is_for_and_is_finished(module: Path) -> None:
    text = module.read_text()
    lines = text.count("\n")
    assert lines <= LONGEST_LINES, f"{lines} lines: split it by what changes for different reasons"
    assert ast.get_docstring(ast.parse(text)), "the first sentence must say what the module is for"
    assert not {module.stem.strip("_"), module.parent.name} & VAGUE, "name it after what is in it"
    # A suite for authors of plugins has hooks that each author fills.
    stubs = "" if "testing" in module.parts else "|NotImplementedError"
    unfinished = re.search(rf"\b(TODO|FIXME|XXX{stubs})\b", text)
    assert not unfinished, f"finish it or leave it out: {unfinished}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_errors_are_caught_by_name_and_settings_read_in_one_place(module: Path) -> None:
    tree = ast.parse(module.read_text())
    assert not list(swallows_all(tree)), "catch the errors that can happen, by name"
    if name_of(module) not in MAY_READ_ENVIRONMENT:
        assert not list(reads_environment(tree)), "the environment is read in config.py and passed on"


def test_rules_find_what_they_forbid() -> None:
    tree = ast.parse("import os\ntry:\n    os.environ\nexcept (ValueError, Exception):\n    pass\nfrom os import getenv\n")
    again = ast.parse("try:\n    pass\nexcept BaseException:\n    print()\n    raise\n")
    assert list(swallows_all(again)) == []
    assert list(swallows_all(tree)) == [4]
    assert sorted(reads_environment(tree)) == [3, 6]
    assert HOSTS.search("https://files.python" + "hosted.org/x")


@pytest.mark.parametrize("room", ["engines", "storage"])
def test_every_module_of_a_room_is_a_plugin_that_loads(room: plugins.Room) -> None:
    files = {path.stem for path in (SOURCE / room).glob("*.py") if not path.stem.startswith("_")}
    assert files <= set(plugins.names(room))
    for name in files:
        assert plugins.load(room, name).Params.model_config["extra"] == "forbid"


def test_no_tracked_file_names_a_package_registry() -> None:
    named = [path for path in tracked_files() if HOSTS.search(path.read_bytes().decode("utf-8", "replace"))]
    assert named == []


def test_lock_files_pin_every_package_by_hash_and_name_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        for requirement in lock.read_text().replace("\\\n", " ").splitlines():
            assert re.match(r"[a-z0-9.-]+==[^ ]+ .*--hash=sha256:", requirement), f"{lock.name}: {requirement}"

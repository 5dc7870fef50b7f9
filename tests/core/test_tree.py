"""Key to path: no path ever leaves the tree, and no two keys share one."""

from __future__ import annotations

import os.path
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.core.errors import InputUnsafe
from gadus.core.tree import check_paths
from gadus.storage.s3 import relative_path

SEGMENTS = st.one_of(
    st.sampled_from(["", ".", "..", "a", "b", "...", "a.", " ", "x" * 256]), st.text(max_size=5), st.text("/.a\0", max_size=6)
)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join)


@given(st.lists(KEYS, unique=True, max_size=8), KEYS)
def test_no_path_leaves_the_tree_and_no_two_keys_share_one(keys: list[str], prefix: str) -> None:
    files = {key: relative_path(key, prefix) for key in keys if key.startswith(prefix) and not key.endswith("/")}
    try:
        check_paths(files)
    except InputUnsafe:
        return
    paths = list(files.values())
    for path in paths:
        joined = os.path.normpath(f"/tree/{path}")
        assert joined.startswith("/tree/"), path
        assert joined == f"/tree/{path}", "the path means what it says"
        assert "\0" not in path
    assert len({os.path.normpath(path) for path in paths}) == len(paths)
    assert not {str(above) for path in paths for above in PurePosixPath(path).parents} & set(paths)


@given(st.lists(KEYS, unique=True, min_size=1, max_size=8))
def test_safe_keys_are_never_refused(keys: list[str]) -> None:
    """Keys of plain, distinct components in one directory have nothing wrong with them."""
    files = {key: f"file-{number}" for number, key in enumerate(keys)}
    check_paths(files)


def test_a_refusal_names_every_key_at_fault_and_how_many_more() -> None:
    with pytest.raises(InputUnsafe) as caught:
        check_paths({f"k{number}": f"../{number}" for number in range(25)})
    assert "'k0'" in caught.value.message
    assert "and 15 more" in caught.value.message


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("a/b/c.txt", "a/b/c.txt", "c.txt"),
        ("a/b/n/y.csv", "a/b/", "n/y.csv"),
        ("a/b1/x", "a/b", "b1/x"),
        ("a/b/x", "", "a/b/x"),
        ("/lead", "", "lead"),
        ("/lead", "/", "lead"),
        ("a//b", "a/", "b"),
        ("a/../b", "", "a/../b"),
        ("a/", "a/", ""),
    ],
)
def test_paths_are_relative_to_the_last_slash_of_the_prefix(key: str, prefix: str, path: str) -> None:
    assert relative_path(key, prefix) == path

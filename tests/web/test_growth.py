"""What a program writes is looked at again and again, whatever a single look meets."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gadus.web.growth import _File


@contextmanager
def no_file_left() -> Iterator[None]:
    """This process can open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_follower_is_not_forgotten_while_the_server_can_open_no_file(tmp_path: Path):
    log = tmp_path / "stdout"
    log.write_bytes(b"one\n")
    file = _File((log,))
    reader = file.reader()
    assert reader is not None
    assert file.grown()
    with log.open("ab") as more:
        more.write(b"two\n")
    with no_file_left():
        with pytest.raises(OSError, match="Too many open files"):
            log.open()
        assert not file.grown()
    assert file.grown()
    assert reader.read() == b"one\ntwo\n"
    file.close()

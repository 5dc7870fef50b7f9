"""A secret is seen by nobody who does not ask for it by name."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.core.secret import MASK, Secret

secrets = st.text(min_size=1).filter(lambda text: text not in MASK)


@dataclasses.dataclass
class Holder:
    password: Secret


@given(secrets, st.text(max_size=8))
def test_no_way_of_writing_it_down_shows_it(text: str, form: str) -> None:
    secret = Secret(text)
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s %r", (secret, {"p": secret}), None)
    written = {
        str(secret): MASK,
        repr(secret): MASK,
        f"{secret!a}": MASK,
        format(secret, form): MASK,
        "%10s" % secret: "  " + MASK,  # noqa: UP031 - one more way
        repr([secret]): f"[{MASK}]",
        str(Holder(secret)): f"Holder(password={MASK})",
        json.dumps({"p": secret}, default=str): f'{{"p": "{MASK}"}}',
        str(dataclasses.asdict(Holder(secret))["password"]): MASK,
        str(copy.deepcopy(secret)): MASK,
    }
    assert list(written) == list(written.values())
    assert record.getMessage() == f"{MASK} {{'p': {MASK}}}"
    assert secret.reveal() == text


def test_a_traceback_with_its_variables_does_not_show_it() -> None:
    # The lines of this file are shown as well.
    secret = Secret("yranac"[::-1])
    with pytest.raises(ValueError) as raised:
        _fail_with(secret)
    seen = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert MASK in seen
    assert "yranac"[::-1] not in seen


@given(secrets, secrets)
def test_it_is_equal_to_the_same_secret_only(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert Secret(one) != one
    assert len({Secret(one), Secret(one)}) == 1


def test_it_is_neither_pickled_nor_dumped_by_accident() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Secret("x"), protocol)
    with pytest.raises(TypeError):
        json.dumps(Secret("x"))
    assert not Secret("")


def _fail_with(secret: Secret) -> None:
    raise ValueError(secret)

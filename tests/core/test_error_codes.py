"""An error that a server tells is the same error at its client."""

from __future__ import annotations

import pytest

from gadus.core import errors
from gadus.core.errors import Bug, GadusError, InvalidSpec, JobFailed, NotFound, Rejected, Unavailable
from gadus.core.refusals import known_by, told_as

KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GadusError)]


def made(kind: type[GadusError]) -> GadusError:
    return kind(["a", "b"]) if issubclass(kind, InvalidSpec) else kind("a")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_client_of_a_server_ends_as_if_the_error_were_its_own(kind: type[GadusError]):
    error = made(kind)
    known = known_by(*told_as(error))
    if issubclass(kind, JobFailed) or kind is GadusError:
        # What a job failed of is in the job; a route that raises it is broken.
        assert known is Bug
    else:
        assert issubclass(kind, known)
        assert known.exit_code == error.exit_code


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (404, NotFound), (410, NotFound), (418, Rejected), (500, Bug), (501, Bug), (302, Rejected)],
)
def test_status_without_our_code_says_who_must_act(status: int, kind: type[GadusError]):
    assert known_by(status, "") is kind
    assert known_by(status, "SomethingElse") is kind


@pytest.mark.parametrize("status", [502, 503, 504])
def test_proxy_whose_server_is_away_is_asked_again(status: int):
    assert known_by(status, "") is Unavailable

"""What is tried again, how often, and after which pause."""

from __future__ import annotations

from collections.abc import Sequence

from gadus.core.job import Execution, Failure

TRIES_OF_AN_INDEX = 3
"""A part that stays away for three tries needs a person, not a fourth try."""
TRIES_LOST = 10
"""An execution that was lost has done nothing wrong: only a job that takes its nodes or engines down with it ends here."""
_NODE_LOST = "NodeLost"
_ENGINE_AWAY = "EngineAway"
_LOST = (_NODE_LOST, "EngineLost", _ENGINE_AWAY)
"""The kinds of failures of executions that ended without a word, were ended from outside, or had nothing to run on."""

_PAUSES_SECONDS = (1.0, 4.0, 16.0)
_LOST_WITHOUT_PAUSE = 2
"""Who is lost again and again is lost to a trouble that takes a while: then tries at once would only be used up."""
_LONGEST_PAUSE_SECONDS = 300.0
_STEADY_SECONDS = 60.0
"""Who ran for so long has proved that it can run: its next end is paused for as a first one."""


def lost(execution: Execution) -> bool:
    """Whether the execution ended because its node or its engine did."""
    return _kind(execution) in _LOST


def may_try_again(tries: Sequence[Execution], *, attended: bool) -> bool:
    """
    Whether another try can help, after these of one index, of which the last failed.

    Nobody who waits for a job wants to wait for an engine that may never come.
    """
    outcome = tries[-1].outcome
    if outcome is None or not outcome.can_retry:
        return False
    times_lost = sum(lost(one) and not (attended and _kind(one) == _ENGINE_AWAY) for one in tries)
    return times_lost < TRIES_LOST and len(tries) - times_lost < TRIES_OF_AN_INDEX


def pause_after(tries: Sequence[Execution]) -> float:
    """Seconds before the next try of a job that has an end. At first none for a lost node; a lost engine has to come back."""
    nodes_lost = sum(_kind(one) == _NODE_LOST for one in tries)
    times = nodes_lost - _LOST_WITHOUT_PAUSE if _kind(tries[-1]) == _NODE_LOST else len(tries) - nodes_lost
    return _PAUSES_SECONDS[min(times, len(_PAUSES_SECONDS)) - 1] if times > 0 else 0.0


def pause_before_replacing(ended: Sequence[Execution]) -> float:
    """Seconds before an execution of a job without an end is replaced: twice as many after each that did not last."""
    quick = 0
    for one in reversed(ended):
        if one.modified_at - one.created_at >= _STEADY_SECONDS:
            break
        quick += 1
    return float(min(2.0 ** max(quick - 1, 0), _LONGEST_PAUSE_SECONDS))


def first_real(tries: Sequence[Execution]) -> Failure:
    """The failure that people should see: the first that the job itself met, rather than what came of it."""
    failures = [one.outcome.error for one in tries if one.outcome is not None and one.outcome.error is not None]
    real = next((failure for failure in failures if failure.kind not in _LOST), None)
    if real is not None or len(failures) < TRIES_LOST:
        return real or failures[0]
    return failures[0].model_copy(update={"message": f"{failures[0].message}; given up after {len(failures)} tries"})


def _kind(execution: Execution) -> str:
    """The kind of the failure; "" when there was none."""
    return execution.outcome.error.kind if execution.outcome and execution.outcome.error else ""

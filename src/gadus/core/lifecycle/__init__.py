"""
The whole life of a job, as pure functions: what happened goes in, what is true and what to do next comes out.

    Submitted ─▶ queued ─Placed─▶ running ─Ended─▶ completed   what the type of the job asks for was reached
                   ▲                 │  └─Ended─▶ failed      an error that a retry cannot help, or too many tries
                   └──Ended, again───┤  └─Expired─▶ failed
                                     └─StopRequested─▶ stopped
    Renewed: from any state back to queued, as the next edition of the job.

`decide` has the dispatch, `goals` what each type of job asks for, `retries` what is tried again, `limits` the time-outs.
"""

from .decide import decide, execution_id, resume
from .limits import deadline, due

__all__ = ["deadline", "decide", "due", "execution_id", "resume"]

"""
What a server tells of itself: lines, figures, traces.

    jobs      what happens to jobs, told to all three
    lines     a record of the log as one line, for people or for programs
    stderr    lines on their way to standard error, which nobody waits for
    metrics   the figures of `/metrics`
    spans     an execution as pieces of time
    traces    these on their way to a collector
"""

"""
Processes of their own for executions, so that these outlive whoever asked for them.

    server ──"start e-…"──▶ nursery ──fork──▶ shim of e-…     the nursery has everything imported; a fork takes milliseconds
       │                                        │ runs the execution, writes what happens and, last, how it ended;
       └──────────── reads ───────────▶ <data>/shims/e-…        then waits for another

The file is all that server and shim share: after the end of a server, the next one finds there what runs and what ended.
"""

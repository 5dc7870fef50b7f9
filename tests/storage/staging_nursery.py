"""
Stages an S3 prefix in a process of its own for each line of standard input: ``ENDPOINT BUCKET PREFIX DIRECTORY``.

It forks, because to start Python takes longer than to stage. For each line it prints the process id, and when the process has
ended its status.
"""

from __future__ import annotations

import asyncio
import os
import sys

from bench.gadus_peer import stage, wish_from

# As a first request would: in the children it would be loaded again and again.
from gadus.core import checksums
from gadus.eventloop import new_event_loop

checksums.update(checksums.CRC64NVME, b"")

for line in sys.stdin:
    child = os.fork()
    if not child:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(stage(wish_from(line.split())))
        os._exit(0)
    os.write(1, b"%d\n" % child)
    os.write(1, b"%d\n" % os.waitpid(child, 0)[1])

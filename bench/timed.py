"""
Runs a command and prints what it cost as JSON: wall and CPU seconds, the largest resident memory of any of its processes.

A program of its own, started anew for each measurement: a child's peak memory starts at that of its parent, so the parent
must be small.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    start = time.monotonic()
    pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    _, status, used = os.wait4(pid, 0)
    print(
        json.dumps(
            {
                "exit_code": os.waitstatus_to_exitcode(status),
                "wall_seconds": time.monotonic() - start,
                "cpu_seconds": used.ru_utime + used.ru_stime,
                # Linux counts in KiB, macOS in bytes.
                "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            }
        )
    )

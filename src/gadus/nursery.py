"""The process that forks shims: ``python -m gadus.nursery <data directory> [word of --config]… <descriptor of the socket>``."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

from gadus.config import settings_from
from gadus.eventloop import new_event_loop
from gadus.shims import nursery
from gadus.shims.shim import live
from gadus.wiring import Parts


def main() -> None:
    """Until nobody asks any more and every shim has ended."""
    data_dir, *config, descriptor = sys.argv[1:]
    settings = settings_from(data_dir=data_dir, config=config)
    parts = Parts(settings)
    parts.make_all()

    def become_shim(executions: Iterator[str]) -> None:
        live(settings.shims_dir, executions, parts.execute, new_event_loop, parts.start_over)

    with socket.socket(fileno=int(descriptor)) as asking:
        nursery.serve(asking, become_shim)


if __name__ == "__main__":
    main()

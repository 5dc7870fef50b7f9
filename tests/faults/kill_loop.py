"""
Kills whatever runs jobs, again and again under a stream of them, and says what came of the jobs.

    python tests/faults/kill_loop.py --points 1000 --seed 7 [--docker]

At each point, at a random moment: SIGKILL to the server, to its nursery, to a shim, to several of them, to the container
engine; sometimes SIGTERM. What is gone is started again, and the clients go on. At the end every job that was accepted must
have its one right end, no two executions of one part of a job may ever have been seen alive at once, and nothing may be left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import rooms  # noqa: F401 - finds the parts of other rooms
from clients import Clients, judge
from container_engine import ContainerEngine, container_engine
from installation import Installation
from mixture import Mixture, service
from remains import files_left, mounts_left, processes_left
from slow_s3 import SlowS3, slow_s3
from witness import Process, Witness

CLIENTS = 6
CLEAN_SECONDS = 60.0
"""So long after the last fault, nothing may be left."""


@dataclass
class KillLoop:
    """One run; `wrong` is what it found."""

    home: Path
    seed: int
    s3: SlowS3
    engine: ContainerEngine | None = None
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        variables = dict(self.s3.environment) | ({"DOCKER_HOST": self.engine.docker_host} if self.engine else {})
        self.installation = Installation(self.home, variables)
        self.clients = Clients(self.installation, Mixture(self.s3, self.engine).chosen, random.Random(self.seed + 1))
        self.witness = Witness(self.installation.data_dir)

    def run(self, points: int) -> None:
        """So many kills; then everything comes to its end, and is judged."""
        self.installation.data_dir.mkdir(parents=True)
        with ExitStack() as running:
            self.installation.start()
            running.callback(self.installation.end, signal.SIGTERM)
            with self.witness:
                kept = self.clients.submit(service(seconds=0.5), "service")
                self.clients.start(CLIENTS)
                for point in range(points):
                    time.sleep(self._dice.uniform(0.05, 0.9))
                    self._one_point(point)
                    if self.clients.wrong:
                        break
                self._server_is_well()
                self.say("waiting for the jobs that are under way")
                self.clients.finish()
                self.clients.stop(kept)
                self.clients.see_to_its_end(kept)
                self._wait_until_clean()
            self._judge()

    def _one_point(self, point: int) -> None:
        kinds = self._kinds()
        (kind,) = self._dice.choices(list(kinds), [weight for weight, _ in kinds.values()])
        self.say(f"{point}: {kind}")
        self.kills[kind] += 1
        self._server_is_well()
        for act in kinds[kind][1]:
            act()
        if self.installation.process is None:
            time.sleep(self._dice.choice((0.0, 0.0, 0.3)))
            self.installation.start()

    def _server_is_well(self) -> None:
        assert self.installation.process is not None
        if self.installation.process.poll() is not None:
            self.wrong.append(f"the server ended by itself: {self.installation.last_words()}")
            self.installation.gone()
            self.installation.start()

    def _kinds(self) -> dict[str, tuple[int, Sequence[Callable[[], None]]]]:
        """What may happen at a point: how often, and what is done."""
        server, nursery, shim = self._kill_server, partial(self._kill, "nursery"), partial(self._kill, "shim")
        engine, engine_softly = partial(self._end_engine, signal.SIGKILL), partial(self._end_engine, signal.SIGTERM)
        kinds: dict[str, tuple[int, Sequence[Callable[[], None]]]] = {
            "server": (25, [server]),
            "server, softly": (5, [partial(self.installation.end, signal.SIGTERM)]),
            "nursery": (15, [nursery]),
            "spare": (4, [partial(self._kill, "spare")]),
            "nursery of programs": (4, [partial(self._kill, "nursery of programs")]),
            "program": (4, [partial(self._kill, "program")]),
            "shim": (25, [shim]),
            "all shims": (4, [partial(self._kill, "shim", every=True)]),
            "nursery and shim": (4, [nursery, shim]),
            "server and shim": (10, [server, shim]),
            "shim and server": (4, [shim, server]),
            "everything": (8, [self._kill_everything]),
        }
        if self.engine:
            kinds |= {
                "container engine": (12, [engine]),
                "container engine, softly": (6, [engine_softly]),
                "shim and container engine": (6, [shim, engine]),
                "server and container engine": (6, [server, engine]),
                "everything and container engine": (4, [self._kill_everything, engine]),
            }
        return kinds

    def _kill_server(self) -> None:
        self.installation.end(signal.SIGKILL)

    def _kill(self, role: str, *, every: bool = False) -> None:
        present = self.witness.present(role)
        for one in present if every else self._dice.sample(present, min(len(present), 1)):
            _killed(one)

    def _kill_everything(self) -> None:
        present = self.witness.present("nursery", "nursery of programs", "spare", "shim")
        assert self.installation.process is not None
        os.kill(self.installation.process.pid, signal.SIGKILL)
        for one in present:
            _killed(one)
        self.installation.gone()

    def _end_engine(self, number: signal.Signals) -> None:
        assert self.engine is not None
        self.engine.end(number)
        time.sleep(self._dice.choice((0.0, 0.5, 2.0)))
        self.engine.start()

    def _wait_until_clean(self) -> None:
        deadline = time.monotonic() + CLEAN_SECONDS
        while left := self._left():
            if time.monotonic() > deadline:
                self.wrong += [f"left after {CLEAN_SECONDS} s: {one}" for one in left]
                return
            time.sleep(0.5)

    def _left(self) -> list[str]:
        assert self.installation.process is not None
        data_dir = self.installation.data_dir
        own = self.witness.present("nursery", "spare")
        left = [f"one process too many: {own}"] if len(own) > 2 else []
        left += processes_left(data_dir, {self.installation.process.pid, os.getpid(), *(one.pid for one in own)})
        left += [str(one) for one in self.witness.present("shim", "young", "program", "container")]
        left += mounts_left(data_dir) + files_left(data_dir)
        return left + (self.engine.containers() if self.engine else [])

    def _judge(self) -> None:
        self.wrong += judge(self.installation, self.clients)
        self.wrong += [f"at once: {one}" for one in self.witness.at_once]
        checked = self.installation.command("store", "check")
        if checked.returncode:
            self.wrong.append(f"the store: {checked.stdout}{checked.stderr}")
        words = self.installation.last_words()
        if "Traceback" in words:
            self.wrong.append(f"the server said: {words}")

    def summary(self) -> str:
        """What was done and seen, in a few lines."""
        ends = Counter(one.state for one in self.clients.accepted)
        kills = ", ".join(f"{count} {kind}" for kind, count in self.kills.most_common())
        seen = self.witness
        return (
            f"seed {self.seed}: {sum(self.kills.values())} points ({kills}); "
            f"{len(self.clients.accepted)} jobs accepted ({dict(ends)}); {len(seen.executions)} executions seen in "
            f"{seen.looks} looks, {len(seen.at_once)} at once, {len(seen.beside_a_container)} beside a container; "
            f"{len(self.wrong)} wrong"
        )


def _killed(one: Process) -> None:
    """It gets SIGKILL, unless it ended meanwhile; nobody who took its number does."""
    try:
        descriptor = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return
    try:
        if one.lives():
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def main() -> int:
    """The exit code: 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(
        description="Kill servers, shims and engines under a stream of jobs, and judge what came of it."
    )
    parser.add_argument("--points", type=int, default=1000, help="how many kills (default: 1000)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30), help="another one, another order")
    parser.add_argument("--docker", action="store_true", help="also jobs in containers, of an own engine that is killed too")
    parser.add_argument("--keep", action="store_true", help="leave the data directory for a look")
    given = parser.parse_args()
    # So that what was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = Path(tempfile.mkdtemp(prefix="kill-loop-"))
    say = partial(print, flush=True)
    say(f"seed {given.seed}, in {home}")
    with ExitStack() as parts:
        s3 = parts.enter_context(slow_s3())
        engine = parts.enter_context(container_engine()) if given.docker else None
        loop = KillLoop(home, given.seed, s3, engine, say=say)
        loop.run(given.points)
    for one in loop.wrong:
        say(f"WRONG {one}")
    say(loop.summary())
    if not given.keep and not loop.wrong:
        shutil.rmtree(home)
    return 1 if loop.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""
The lifecycle again, small and in another way: what each part of a job has gone through, and what follows from that.

The lifecycle of the product answers events; this model notes them, and then looks at everything there is (`_settle`).
Its times are seconds, its errors plain texts; it knows neither ids nor actions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FINAL = ("completed", "failed", "stopped")
TIMED_OUT = "Job timed out."

NOT_ITS_OWN = ("lost", "away")
"""How executions end through no fault of the job."""


@dataclass
class Try:
    """
    One execution: `how` it ended is "", "exit", "again" (an error that a retry may help), "never", "lost" (its node), or
    "away" (its engine).
    """

    edition: int
    index: int
    number: int
    node: str
    began: float
    stopping: bool = False
    ended: float | None = None
    how: str = ""
    error: str = ""


@dataclass
class Part:
    """One index of the present edition; `waits` is (since, not before)."""

    node: str = ""
    tries: list[Try] = field(default_factory=list)
    waits: tuple[float, float] | None = None

    @property
    def last(self) -> Try | None:
        return self.tries[-1] if self.tries else None

    @property
    def errors(self) -> list[str]:
        """The texts to show, the best first."""
        real = [one.error for one in self.tries if one.error and one.how not in NOT_ITS_OWN]
        return real or [f"{one.error}{self._given_up()}" for one in self.tries if one.error]

    def _given_up(self) -> str:
        return f"; given up after {len(self.tries)} tries" if len(self.tries) >= 10 else ""

    def done(self) -> bool:
        return self.last is not None and self.last.how == "exit"

    def hopeless(self, *, bounded: bool) -> bool:
        if self.last is None or self.last.how in ("", "exit"):
            return False
        lost = sum(one.how in NOT_ITS_OWN for one in self.tries)
        return self.last.how == "never" or (bounded and (lost >= 10 or len(self.tries) - lost >= 3))

    def pause(self, *, bounded: bool) -> float:
        if not self.tries:
            return 0.0
        if bounded:
            lost = sum(one.how == "lost" for one in self.tries)
            times = lost - 2 if self.tries[-1].how == "lost" else len(self.tries) - lost
            return 4.0 ** (min(times, 3) - 1) if times > 0 else 0.0
        seconds = 0.5
        for one in self.tries:
            seconds = 0.5 if one.ended is not None and one.ended - one.began >= 60 else min(seconds * 2, 300.0)
        return max(seconds, 1.0)


@dataclass
class Model:
    """One job."""

    type: str
    count: int
    queue_seconds: int
    total_seconds: int
    at: float
    state: str = "queued"
    message: str = ""
    edition: int = 1
    parts: list[Part] = field(default_factory=list)
    asked_for_nodes: bool = False
    former: list[Try] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begun = self.at
        self.bounded = self.type in ("batch", "ops")
        self.by_node = self.type in ("ops", "daemon")
        self.parts = [] if self.by_node else [Part() for _ in range(self.count)]
        self.asked_for_nodes = self.by_node
        self._settle()

    def renewed(self, type_: str, count: int, queue_seconds: int, total_seconds: int) -> None:
        self.former += [one for part in self.parts for one in part.tries]
        self._end("queued", "")
        self.type, self.count, self.edition = type_, count, self.edition + 1
        self.queue_seconds, self.total_seconds = queue_seconds, total_seconds
        self.__post_init__()

    def matched(self, nodes: list[str]) -> None:
        if not self.asked_for_nodes:
            return
        for node in nodes:
            if all(part.node != node for part in self.parts):
                self.parts.append(Part(node))
        if self.type == "ops":
            self.asked_for_nodes = False
            if not self.parts:
                self._end("failed", "no matching nodes to run job")
        self._settle()

    def unplaceable(self, why: str) -> None:
        if self.state in FINAL or all(part.waits is None for part in self.parts):
            return
        if self.type == "daemon" or (self.type != "ops" and self.queue_seconds):
            self.message = why
            return
        waiting = [part.tries if self.bounded else part.tries[-1:] for part in self.parts if part.waits]
        tries = sorted((one for part in waiting for one in part), key=lambda one: one.began)
        before = Part(tries=tries).errors
        self._end("failed", f"{before[0]}; it could not be tried again: {why}" if before else why)

    def placed(self, index: int, node: str) -> None:
        part = self.parts[index]
        part.waits = None
        part.tries.append(Try(self.edition, index, len(part.tries), node, self.at))
        self.message = ""
        self._settle()

    def ended(self, one: Try, how: str, error: str) -> None:
        one.how, one.error, one.ended = how, error, self.at
        part = self.parts[one.index] if one.edition == self.edition else None
        if part and self.type == "daemon" and self.state not in FINAL and how == "never":
            self.message = f"node {one.node}: {error}"
        self._settle()

    def stopped(self, reason: str) -> None:
        if self.state not in FINAL:
            self._end("stopped", reason)

    def expired(self, limit: str) -> None:
        when = self.limits().get(limit)
        if when is not None and when <= self.at:
            self._end("failed", TIMED_OUT)

    def limits(self) -> dict[str, float]:
        """When each limit of the job's time is reached."""
        limits = {}
        if self.state not in FINAL and self.bounded and self.total_seconds:
            limits["total"] = self.begun + self.total_seconds
        waits = [max(part.waits) for part in self.parts if part.waits]
        if not self.by_node and self.queue_seconds and waits:
            limits["queue"] = min(waits) + self.queue_seconds
        return limits

    def live(self) -> list[Try]:
        return [one for one in self.tries() if not one.how]

    def tries(self) -> list[Try]:
        return self.former + [one for part in self.parts for one in part.tries]

    def _held(self, index: int, part: Part) -> bool:
        """Whether an execution of an earlier edition is in the way."""
        former = [one for one in self.former if not one.how]
        return any(one.node == part.node if self.by_node else one.index == index for one in former)

    def _settle(self) -> None:
        if self.state not in FINAL and not self._over():
            self._go_on()

    def _over(self) -> bool:
        """Whether the job came to its end by itself, now."""
        hopeless = [part for part in self.parts if part.hopeless(bounded=self.bounded)]
        settled = all(part.done() or part in hopeless for part in self.parts)
        match self.type:
            case "batch" | "service" if hopeless:
                self._end("failed", hopeless[0].errors[0 if self.bounded else -1])
            case "batch" | "service" if not self.parts or (self.bounded and settled):
                self._end("completed", "")
            case "ops" | "daemon" if self.parts and (settled if self.bounded else len(hopeless) == len(self.parts)):
                first = min(hopeless, key=lambda part: (part.tries[-1].how in NOT_ITS_OWN, part.tries[-1].ended), default=None)
                if first:
                    self._end("failed", f"node {first.node}: {first.errors[0 if self.bounded else -1]}")
                else:
                    self._end("completed", "")
        return self.state in FINAL

    def _go_on(self) -> None:
        for index, part in enumerate(self.parts):
            running = part.last is not None and not part.last.how
            finished = part.hopeless(bounded=self.bounded) or (self.bounded and part.done())
            if not (running or finished or part.waits or self._held(index, part)):
                pause = part.pause(bounded=self.bounded)
                part.waits = (self.at, self.at + pause if pause else 0.0)
        self.state = "running" if any(not one.how and one.edition == self.edition for one in self.tries()) else "queued"

    def _end(self, state: str, message: str) -> None:
        self.state, self.message, self.asked_for_nodes = state, message, False
        for part in self.parts:
            part.waits = None
        for one in self.live():
            one.stopping = True

"""Where the runs of one workload take place: a server that holds its data, a profile, a room for the trees."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gadus.core.errors import ChecksumMismatch
from gadus.testing.seaweedfs import S3Server, seaweedfs

from .content import digests_of, store
from .measure import Finished, Run, measure
from .peers.all import GADUS, OBSTORE, SERIAL
from .peers.peer import Peer, Place
from .shaping.control import Proxy, shaped
from .workloads import BUCKET, Data, Workload

DISTANT = "s3like"


@dataclass(slots=True)
class Stand:
    """
    A workload under a profile. `digests` are by the name of the data and the relative path.

    Under the profile `raw` runs go straight to the server, and those that are to be `counted` through a proxy that changes
    nothing. Under the others everything goes through the proxy.
    """

    workload: Workload
    profile: str
    direct: S3Server
    proxy: Proxy
    room: Path
    digests: Mapping[str, dict[str, str]]
    peers: Sequence[Peer]
    seed: int = 0

    @property
    def distant(self) -> bool:
        return self.profile == DISTANT

    def server(self, *, counted: bool = False) -> S3Server:
        return self.proxy.server if counted or self.distant else self.direct

    def data_for(self, peer: Peer) -> Data:
        """All of the workload, or the part that is asked of this peer."""
        if peer is SERIAL and self.distant:
            return self.workload.few
        if not peer.leading:
            return self.workload.sample
        return self.workload.far if self.distant or peer is OBSTORE else self.workload.data

    def fetch(self, peer: Peer, *, counted: bool = False, data: Data | None = None) -> Run:
        """One verified run into a directory that is gone afterwards."""
        with self.directory(peer.name) as directory:
            return self.fetch_into(directory, peer, counted=counted, data=data).run

    def fetch_into(
        self,
        directory: Path,
        peer: Peer = GADUS,
        *,
        options: Sequence[str] = (),
        key: str = "",
        counted: bool = False,
        data: Data | None = None,
    ) -> Finished:
        """
        One verified run into `directory`; `options` are added to the command, `key` names one object instead of the prefix.

        Raises ChecksumMismatch when the tree is not what was stored.
        """
        data = data or self.data_for(peer)
        server = self.server(counted=counted)
        prefix = data.prefix + key
        place = Place(server.endpoint, BUCKET, prefix, directory, large=self.workload.large, distant=self.distant)
        self.proxy.start(self.seed)
        # Otherwise a run would pay for writing back what the one before it left.
        os.sync()
        finished = measure([*peer.command(place), *options], server=server)
        traffic = self.proxy.traffic() if counted or self.distant else None
        tree = finished.tree or directory
        if digests_of(tree) != self.digests[data.name]:
            raise ChecksumMismatch(f"{peer.name} left a tree that is not {data.name}", hint="leave it out with --peers")
        run = replace(
            finished.run,
            objects=data.objects,
            size_bytes=data.total_bytes,
            times=self.workload.data.total_bytes / data.total_bytes,
            traffic=traffic,
        )
        self.tell(peer.name, run)
        return Finished(run, tree)

    @contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """An empty directory, gone afterwards."""
        made = self.room / name
        made.mkdir()
        try:
            yield made
        finally:
            shutil.rmtree(made)

    def tell(self, name: str, run: Run) -> None:
        part = f", of 1/{run.times:g}" if run.times > 1 else ""
        print(
            f"  {self.workload.id} {self.profile:6} {name:18} {run.seconds:7.2f} s, process {run.wall_seconds:7.2f} s, "
            f"CPU {run.cpu_seconds:6.2f} s, {run.peak_bytes >> 20:4} MiB{part}",
            flush=True,
        )


@contextmanager
def stored(workload: Workload, room: Path) -> Iterator[tuple[S3Server, dict[str, dict[str, str]]]]:
    """A server of its own that holds the data of `workload` in `room`, and their digests; both are gone afterwards."""
    held = room / "server"
    try:
        with seaweedfs(held) as server:
            server.client().create_bucket(Bucket=BUCKET)
            yield server, {data.name: put(data, server) for data in workload.all_data}
    finally:
        shutil.rmtree(held, ignore_errors=True)


def put(data: Data, server: S3Server, *, every: int = 1, version: int = 0) -> dict[str, str]:
    """Store every so-manieth object of `data`; returns digests by relative path."""
    paths = list(data.paths)[::every]
    digests = asyncio.run(store(((data.prefix + path, data.size_bytes) for path in paths), server, BUCKET, version=version))
    return {key.removeprefix(data.prefix): digest for key, digest in digests.items()}


@contextmanager
def standing(
    workload: Workload,
    profile: str,
    server: S3Server,
    digests: Mapping[str, dict[str, str]],
    room: Path,
    peers: Sequence[Peer],
) -> Iterator[Stand]:
    """A stand with its proxy, as long as the block lasts."""
    with shaped(server, profile) as proxy:
        yield Stand(workload, profile, server, proxy, room, digests, peers)

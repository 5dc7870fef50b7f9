"""W7: the bytes are verified by SHA-256; with the other clients, by reading the files again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.content import sums
from bench.measure import Finished, Run, measure
from bench.peers.all import GADUS, S5CMD, SERIAL
from bench.peers.peer import Peer
from bench.stand import Stand
from bench.workloads import BUCKET

from .study import Measured, Round

ROUNDS = 3
VERIFIED = "gadus, verified"
OPENSSL = "openssl dgst -sha256"
CHECK = 'printf "%s\\n" "$@" | xargs -P "$#" -n 1 sha256sum --check --quiet'
HASH = "find . -type f -print0 | xargs -0 openssl dgst -sha256 > ../openssl-said"


def then_summed(peer: Peer) -> str:
    """What a run of `peer` and then of ``sha256sum`` is called."""
    return f"{peer.name}, then sha256sum"


def verify(stand: Stand, rounds: int) -> Measured:
    """
    Gadus with digests pinned and without, other clients and then ``sha256sum``, and openssl alone on the same files.

    Three rounds at most; of the others, only s5cmd takes part in more than one.
    """
    options, key = _pinned(stand)
    measured: list[Round] = []
    for number in range(min(rounds, ROUNDS)):
        stand.seed = number
        runs: dict[str, Run] = {}
        with stand.directory("gadus-verified") as directory:
            runs[VERIFIED] = stand.fetch_into(directory, GADUS, options=options, key=key).run
        with stand.directory("gadus") as directory:
            fetched = stand.fetch_into(directory, GADUS)
            runs[GADUS.name] = fetched.run
            runs[OPENSSL] = _again(stand, fetched, OPENSSL, ["sh", "-c", HASH])
        for peer in stand.peers:
            if peer is S5CMD or (number == 0 and peer not in (GADUS, SERIAL)):
                runs[then_summed(peer)] = _fetch_and_sum(stand, peer)
        measured.append(runs)
    return Measured(measured)


def _pinned(stand: Stand) -> tuple[list[str], str]:
    """How Gadus is told the digests: of a single object itself, of many as a file in the bucket."""
    data = stand.workload.data
    digests = stand.digests[data.name]
    if data.objects == 1:
        [(key, digest)] = digests.items()
        return ["--sha256", digest], key
    key = f"{data.name}.SHA256SUMS"
    stand.direct.client().put_object(Bucket=BUCKET, Key=key, Body=sums(digests).encode())
    return ["--checksum-manifest", f"s3://{BUCKET}/{key}"], ""


def _fetch_and_sum(stand: Stand, peer: Peer) -> Run:
    data = stand.data_for(peer)
    cores = os.cpu_count() or 1
    digests = list(stand.digests[data.name].items())
    shares = [dict(digests[start::cores]) for start in range(min(cores, len(digests)))]
    with stand.directory(peer.name) as directory:
        fetched = stand.fetch_into(directory, peer)
        lists = [stand.room / f"SHA256SUMS.{number}" for number in range(len(shares))]
        for path, share in zip(lists, shares, strict=True):
            path.write_text(sums(share))
        return fetched.run.then(_again(stand, fetched, "sha256sum", ["sh", "-c", CHECK, "sh", *map(str, lists)]))


def _again(stand: Stand, fetched: Finished, name: str, command: Sequence[str]) -> Run:
    """What reading the tree once more costs."""
    run = measure(command, server=stand.direct, cwd=fetched.tree or Path()).run
    run = replace(run, objects=fetched.run.objects, size_bytes=fetched.run.size_bytes, times=fetched.run.times)
    stand.tell(name, run)
    return run

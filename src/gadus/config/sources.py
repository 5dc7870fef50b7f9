"""Who says what: flags, then the environment, then files; and everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped, nearest

from .addresses import of_kubernetes
from .client import known_variables
from .files import read_file, unknown
from .keys import BY_NAME, KEYS, OURS, THEIRS, Key
from .profiles import config_dir
from .said import Said

FILE_NAME = "config.yaml"
OF_CLIENTS = {"api.tls.usetls": "tls", "api.tls.cafile": "cacert", "api.tls.insecure": "insecure"}
"""Settings that only a client has, and its flags' names; see `gadus.config.client`."""
# What a program of ours is told, which may run this program; and what Kubernetes tells of a service of our name.
_NOT_SETTINGS = re.compile(
    r"GADUS_(?:EXECUTION_ID|JOB_ID|JOB_TYPE|PARTITION_(?:INDEX|COUNT)|(?:TEST|SUITE|REQUIRE)_\w+"
    r"|(?:\w+_)?SERVICE_(?:HOST|PORT)\w*|(?:\w+_)?PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)\w*)?)"
)
_PAIR = re.compile(r"([A-Za-z][A-Za-z.]*)=(.*)", re.DOTALL)


class Sources:
    """What was said by whom, for one reading of the settings."""

    def __init__(
        self, environment: Mapping[str, str], flags: Mapping[str, Said], config: Sequence[str], *, with_files: bool = True
    ) -> None:
        """
        `flags` by the names of the settings; `config` are the words of ``--config``. With `with_files` also the files that
        nobody names are read.
        """
        self.problems: list[str] = []
        self._environment = environment
        pairs, paths = split(config)
        self._flags = {**self._pairs(pairs), **flags}
        self._files = [self._named(path) for path in reversed(paths)]
        if with_files:
            self._files.append(read_file(config_dir(environment) / FILE_NAME, self.problems))
        self.data_dir = self._data_dir()
        if with_files:
            own = read_file(self.data_dir / FILE_NAME, self.problems)
            if "DataDir" in own:
                self.problems.append(f"{own['DataDir'].where}: DataDir cannot stand in the directory that it names")
            self._files.insert(len(paths), own)

    def find(self, key: Key) -> Said:
        """The strongest that was said of a setting."""
        if key.name in self._flags and self._flags[key.name].text:
            return self._flags[key.name]
        for variable in key.variables:
            text = self._environment.get(variable, "").strip()
            if text and not (variable.endswith("_PORT") and of_kubernetes(text)):
                return Said(text, variable, "variable")
        for file in self._files:
            if key.name in file and file[key.name].text:
                return file[key.name]
        return Said(key.default)

    def end(self, hints: Sequence[str] = ()) -> None:
        """Raise InvalidSpec with all that was wrong."""
        known = {variable for key in KEYS for variable in key.variables} | known_variables()
        ours = sorted(name for name in known if name.startswith(OURS))
        for name in sorted(self._environment):
            if name.startswith(OURS) and name not in known and not _NOT_SETTINGS.fullmatch(name):
                self.problems.append(f"{clipped(name)} is not a setting: {nearest(name, ours)}")
        if self.problems:
            told = list(dict.fromkeys(self.problems))
            raise InvalidSpec(told, hint="; ".join(dict.fromkeys(hint for hint in hints if hint)))

    def _pairs(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Said]:
        found = {}
        for name, text in pairs:
            key = BY_NAME.get(name.lower())
            if key is not None:
                found[key.name] = Said(text.strip(), f"--config {key.name}", "flag")
            elif name.lower() not in OF_CLIENTS:
                self.problems.append(f"--config {unknown(name)}")
        return found

    def _named(self, path: Path) -> Mapping[str, Said]:
        if not path.exists():
            self.problems.append(f"--config {path}: there is no such file; a single setting is written Name=value")
            return {}
        return read_file(path, self.problems)

    def _data_dir(self) -> Path:
        said = self.find(BY_NAME["datadir"])
        chosen = said.text
        if said.kind == "default":
            home = self._environment.get("XDG_DATA_HOME", "") or str(Path("~/.local/share").expanduser())
            chosen = str(Path(home) / "gadus")
        return Path(chosen).absolute()


def split(config: Sequence[str]) -> tuple[list[tuple[str, str]], list[Path]]:
    """The words of ``--config``: names with their values, and files."""
    pairs, paths = [], []
    for word in config:
        pair = _PAIR.fullmatch(word)
        if pair:
            pairs.append((pair[1], pair[2]))
        else:
            paths.append(Path(word).absolute())
    return pairs, paths


def is_setting(word: str) -> bool:
    """Whether `word` can only be meant as one of ``--config``: a known name with its value, or a file of settings."""
    pairs, paths = split([word])
    if pairs:
        name = pairs[0][0].lower()
        return name in BY_NAME or name in OF_CLIENTS or name in ("api.host", "api.port")
    return paths[0].suffix in (".yaml", ".yml", ".json") and paths[0].is_file()


def client_words(config: Sequence[str]) -> dict[str, str]:
    """What ``--config Name=value`` says to a client, by the names of `gadus.config.client.FLAGS`."""
    names: dict[str, str] = {"api.host": "host", "api.port": "port", **OF_CLIENTS}
    return {names[name.lower()]: text for name, text in split(config)[0] if name.lower() in names}


def is_foreign(variable: str) -> bool:
    """Whether a variable may be meant for other programs as well: what it says is left out when it cannot be read."""
    return not variable.startswith((OURS, THEIRS)) and variable != "DOCKER_HOST"

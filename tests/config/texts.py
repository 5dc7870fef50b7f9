"""Right texts for every setting, none of them its default."""

from __future__ import annotations

from gadus.config import values
from gadus.config.keys import KEYS, Key
from gadus.core.capacity import whole_number
from gadus.core.units import parse_bytes, parse_cores

_BY_PARSER = {
    str: ("/x/one", "/x/two", "/x/three", "/x/four", "/x/five", "/x/six", "/x/seven"),
    parse_bytes: ("1kB", "2kB", "3kB", "4kB", "5kB", "6kB", "7kB"),
    parse_cores: ("1", "2", "3", "4", "5", "6", "7"),
    whole_number: ("1", "2", "3", "4", "5", "6", "7"),
    values.share_of_bytes: ("1kB", "2%", "3%", "4%", "5%", "6%", "7GiB"),
    values.share_of_cores: ("100m", "2%", "3%", "4%", "5%", "6%", "7%"),
    values.share_of_devices: ("0", "2%", "3%", "4%", "5%", "6%", "7%"),
    values.duration: ("1s", "2m", "3h", "4ms", "5", "6m7s", "7"),
    values.seconds: ("1s", "2m", "3h", "4s", "5", "6m7s", "7"),
    values.truth: ("true", "false", "yes", "no", "1", "0", "True"),
    values.yes_or_unsaid: ("false", "no", "0", "False", "NO", "true", "yes"),
    values.names: ("wasm", "docker", "s3", "inline", "local", "a,b", "c"),
    values.allowed: ("wasm", "docker", "s3", "inline", "local", "a,b", "c"),
    values.words: ("a", "b", "c", "d", "e", "f,g", "h"),
    values.labels: ("a=1", "b=2", "c=3", "d=4", "e=5", "f=6,g=7", "h"),
    values.host: ("127.0.0.2", "localhost", "127.0.0.3", "127.0.0.4", "127.0.0.5", "::1", "127.0.0.6"),
    values.port: ("1", "2", "3", "4", "5", "6", "7"),
    values.priority: ("1", "-2", "3", "4", "5", "6", "7"),
    values.node_name: ("a", "b", "c", "d", "e", "f", "g"),
    values.name_provider: ("puuid", "uuid", "hostname", "PUUID", "UUID", "Hostname", "Puuid"),
    values.is_local: ("local", "anywhere", "Local", "Anywhere", "LOCAL", "ANYWHERE", "loCal"),
    values.web_address: tuple(f"http://host{number}/" for number in range(7)),
    values.cache_limit: ("1kB", "2kB", "3%", "4%", "5%", "6%", "7%"),
    values.log_limit: ("1kB", "2kB", "3kB", "4kB", "5kB", "6kB", "7kB"),
    values.log_level: ("debug", "warn", "error", "trace", "fatal", "info", "Debug"),
    values.log_mode: ("json", "default", "JSON", "Default", "Json", "DEFAULT", "jSon"),
}


def texts_of(key: Key) -> tuple[str, ...]:
    """Seven different texts; the first means something else than the default."""
    found = _BY_PARSER[key.parse]
    if key.default == "true":
        found = (*found[1:], found[0])
    return found


ALL = {key.name: texts_of(key) for key in KEYS}

"""
The node's store of inputs: bytes arrive once, and what is visible is whole.

    <data>/cache/objects/<ab>/<identity>    one object, read-only, named by where it came from, its version and its size
    <data>/cache/trees/<name>/files/…       one input as a directory: hard links to objects
                             /objects.jsonl what is known of each of them
                             /tree.json     what is known of all
    <data>/cache/trees/<name>.lock          whoever uses the tree has a lock on it
    <data>/cache/trees/<name>.durable       the tree is known to be on the disk itself, not only in memory
    <data>/cache/partial/<identity>         an object that a living process fetches, or a large one that a dead one began
                        /<identity>.parts   which stretches of a large one are there
    <data>/cache/partial/<random>/          a tree that a living process builds
    <data>/cache/usage                      how many bytes all objects have

An object or tree gets its final name by one rename, after it was checked. Nothing is synced before use: what a power cut may
have torn is dropped when the machine has restarted, see `runner/durability.py`.
"""

from .cache import Cache, Listed, Pruned
from .filling import Fetch
from .growing import Report
from .layout import Tree
from .record import check_of
from .verify import Verified

__all__ = ["Cache", "Fetch", "Listed", "Pruned", "Report", "Tree", "Verified", "check_of"]

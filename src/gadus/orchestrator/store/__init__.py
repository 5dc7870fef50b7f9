"""
The job store: an append-only log of events, and each job as folded from it.

    open_store(where) ─▶ Store          `contract` says what it promises
         ├── a path            SqliteDatabase      one file, WAL, full sync, checksums of pages
         └── postgresql://…    PostgresDatabase    one schema, `gadus`
    Writer(store): appends of many at once, one transaction for all that wait

Checks, backups and restores are in `checking`, `backup` and `restoring`.
"""

from .contract import Change, Store, Waiting
from .opening import open_store
from .writer import Writer

__all__ = ["Change", "Store", "Waiting", "Writer", "open_store"]

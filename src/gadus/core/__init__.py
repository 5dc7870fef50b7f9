"""Pure: no I/O, no asyncio, no clock. What a job is, and what follows from what happened to it."""

"""A client library for S3 and what speaks like it: locate, list, transfer, diagnose. Knows nothing of jobs."""

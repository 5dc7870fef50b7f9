"""A proxy in front of an S3 server that answers as slowly as S3 does, and counts what passes: for downloads only."""

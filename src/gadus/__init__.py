"""Gadus: compute over data. Name a program and its inputs in S3; Gadus stages them verified and cached, and runs it."""

__version__ = "0.1.0"

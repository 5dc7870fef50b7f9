"""The REST API: Bacalhau's routes and documents, over a running server."""

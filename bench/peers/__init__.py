"""The clients that are compared: each fetches everything under a prefix into an empty directory, as a process of its own."""

"""The part of Go's template language that job files use."""

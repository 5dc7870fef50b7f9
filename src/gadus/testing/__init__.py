"""For authors of plugins, demos and tests: conformance suites, and a real S3 server to run against."""

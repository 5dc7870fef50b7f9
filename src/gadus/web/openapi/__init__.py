"""The description of the REST API that the server gives of itself, as OpenAPI 3.1."""

"""How fast Gadus stages inputs, beside other S3 clients, on the machine it runs on: ``python -m bench``."""

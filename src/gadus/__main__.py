"""``python -m gadus`` is the command ``gadus``."""

from gadus.cli.main import main

if __name__ == "__main__":
    main()

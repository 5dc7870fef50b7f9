"""The command `gadus`, whose executions let others pass for 3 seconds only: a test does not wait for half a minute."""

from gadus.cli.main import main
from gadus.core import waiting

PATIENCE_SECONDS = 3.0

if __name__ == "__main__":
    waiting.PATIENCE_SECONDS = PATIENCE_SECONDS
    main()

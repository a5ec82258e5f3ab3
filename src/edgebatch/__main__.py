"""``python -m edgebatch``."""

from edgebatch.cli.main import main

if __name__ == "__main__":
    main()

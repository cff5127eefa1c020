"""``python -m annotary``: the command line."""

from annotary.cli import main

if __name__ == "__main__":
    main()

"""``python -m gingham``."""

from gingham.cli import main

if __name__ == "__main__":
    main()

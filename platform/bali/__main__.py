"""``python -m bali`` is the ``bali`` command."""

from bali.cli import main

if __name__ == "__main__":
    main()

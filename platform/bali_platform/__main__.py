"""``python -m bali_platform`` is the ``bali`` command."""

from bali_platform.cli import main

if __name__ == "__main__":
    main()

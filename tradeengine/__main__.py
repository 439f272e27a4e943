"""``python -m tradeengine``."""

from tradeengine.cli import main

if __name__ == "__main__":
    main()

"""What a check of ``tradeengine doctor`` found."""

from typing import NamedTuple


class Finding(NamedTuple):
    """What one check found: ``ok`` and ``note`` pass, ``failed`` does not."""

    check: str
    verdict: str
    text: str

"""What all tests share: how hard hypothesis searches.

``ci`` (the default) and ``quick`` differ only in the number of examples; choose with ``HYPOTHESIS_PROFILE=quick``.
A test that wants more or fewer examples scales the profile's number (``settings().max_examples * 10``) rather than
setting one of its own, so that ``quick`` stays quick. Each run searches anew; a failure prints the blob that
repeats it.
"""

import os

import pytest
from hypothesis import settings

for _name, _examples in (("ci", 200), ("quick", 20)):
    settings.register_profile(_name, max_examples=_examples, deadline=None, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options here: pytest reads them from the outermost conftest, whatever part of the tests is run."""
    parser.addoption(
        "--base-url",
        default=None,
        help="address of a running exchange simulator that tests/simulator is run against, such as http://127.0.0.1:9100",
    )

"""What a demo is asked to do."""

import pytest

from helixer_ft.demo.request import DemoRequest
from helixer_ft.errors import InputError


def test_seed_is_not_negative():
    with pytest.raises(InputError, match="--seed is -1"):
        DemoRequest(seed=-1)

"""What native libraries write while they load is kept from the user, and nothing else is."""

import os

import pytest

from helixer_ft.runtime.quiet import quiet_libraries

CHATTER = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795966568.179241   13537 cudart_stub.cc:31] Could not find cuda drivers\n"
    "E0000 00:00:1795966573.283418   13537 cuda_platform.cc:52] failed call to cuInit: 303\n"
)


def test_chatter_goes_and_everything_else_stays(capfd):
    with quiet_libraries():
        os.write(2, f"before\n{CHATTER}E0000 00:00:1.2 34 driver.cc:5] a real error\n".encode())
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nE0000 00:00:1.2 34 driver.cc:5] a real error\nafter\n"


def fail() -> None:
    with quiet_libraries():
        os.write(2, b"said\n")
        raise KeyError


def test_an_error_leaves_standard_error_as_it_was(capfd):
    with pytest.raises(KeyError):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "said\nafter\n"

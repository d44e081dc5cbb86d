"""How large a simulated species is, where nothing else is asked for, and at least."""

DEFAULT_SUBSEQUENCE_LENGTH = 2700
DEFAULT_SEQUENCES = 12
DEFAULT_SEQUENCE_LENGTH = 54_000
"""Together about 650 kb: quick to train on, with about 40 test windows per strand."""

MINIMUM_SEQUENCES = 3
MINIMUM_SEQUENCE_LENGTH = 10_000

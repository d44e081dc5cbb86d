"""Default and smallest sizes of a simulated species."""

DEFAULT_SUBSEQUENCE_LENGTH = 2700
DEFAULT_SEQUENCES = 12
DEFAULT_SEQUENCE_LENGTH = 54_000
"""Together about 650 kb: quick to train on, with about 40 test windows per strand."""

MINIMUM_SEQUENCES = 3
MINIMUM_SEQUENCE_LENGTH = 10_000

"""All rows of a sequence at once."""

import numpy as np

from helixer_ft.preparation.windows import rows_of, to_datasets


def cut(bases, labels, length, region=None):
    """Dataset -> its values in all rows; see `rows_of` and `to_datasets`."""
    parts = [to_datasets(rows) for rows in rows_of(bases, labels, length, region)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

"""Whether gene models are predictions of Helixer: HelixerPost writes that as their source, in the
second column of its GFF3.
"""

from itertools import islice
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.genome.gff3 import WHAT
from helixer_ft.genome.packed_text import open_text

SOURCE = b"helixer"
"""In lower case."""
_FEATURES = 10_000
"""From the beginning of the file, that are looked at."""
_MOST = 0.5
"""Share of them above which the file holds predictions."""


def refuse_predictions(path: Path) -> None:
    """Refuse gene models most of which are predictions of Helixer.

    Raises
    ------
    InputError
        Such a file; one that cannot be read.
    """
    with open_text(path, WHAT) as file:
        rows = (line.split(b"\t") for line in file.lines() if not line.startswith(b"#"))
        features = (columns for columns in rows if len(columns) > 8)
        sources = [columns[1].lower() for columns in islice(features, _FEATURES)]
    predicted = sources.count(SOURCE)
    if predicted > _MOST * len(sources):
        raise InputError(
            f"{path}: {predicted:,} of its first {len(sources):,} features are predictions of "
            "Helixer (by their source, the second column), expected an annotation. Such labels "
            "teach the mistakes of the model that made them, and cannot judge another. Give an "
            "annotation, or --labels-are-predictions: the data will say what they are."
        )

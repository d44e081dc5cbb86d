"""Where the labels of a set come from, and what labels that are predictions may not do: judge, and
be mixed with others unnoticed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from helixer_ft.dataset.dataset import Dataset
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.label_source import ANNOTATION, KINDS, LabelSource


def label_sources(dataset: Dataset) -> tuple[LabelSource, ...]:
    """Where the labels of its subsequences come from, each source once."""
    found: list[LabelSource] = []
    for file, codes in _used(dataset):
        found += [one for one in _sources(file, codes) if one not in found]
    return tuple(found)


def sources_text(sources: Iterable[LabelSource]) -> str:
    """Sources in words: "annotation, predictions of land_plant.h5"."""
    return ", ".join(dict.fromkeys(source.text for source in sources))


def are_predicted(sources: Iterable[LabelSource]) -> bool:
    """Whether any of the labels are predictions."""
    return any(source.is_predicted for source in sources)


def fingerprint_part(dataset: Dataset) -> bytes:
    """What labels that are predictions add to the fingerprint of a set; nothing without any."""
    sources = label_sources(dataset)
    if not are_predicted(sources):
        return b""
    records = json.dumps([source.to_dict() for source in sources], sort_keys=True)
    return b"".join([records.encode(), *(codes.tobytes() for _, codes in _used(dataset))])


def refuse_predicted(dataset: Dataset) -> None:
    """Refuse data to judge by whose labels are predictions.

    Raises
    ------
    InputError
        Names the first such file.
    """
    for file, codes in _used(dataset):
        if codes.any():
            raise InputError(
                f"{file.path}: its labels are {file.label_source.text} (in {codes.sum():,} of "
                f"{len(codes):,} rows), expected those of an annotation: agreement with "
                "predictions says nothing about accuracy, so they cannot judge a model. Give "
                "data labelled by an annotation; where there is none, helixer-ft evaluate-genes "
                "scores gene models without."
            )


def refuse_mixed(sets: Mapping[str, Dataset]) -> None:
    """Refuse sets of which some labels come from an annotation, and some from predictions.

    Raises
    ------
    InputError
        Says which files have which.
    """
    paths: dict[str, list[str]] = {}
    kinds = set()
    for dataset in sets.values():
        for file, codes in _used(dataset):
            for source in _sources(file, codes):
                kinds.add(source.kind)
                paths.setdefault(source.text, []).append(str(file.path))
    if len(kinds) > 1:
        found = "; ".join(f"{text}: {', '.join(names)}" for text, names in paths.items())
        raise InputError(
            f"the labels of the {' and '.join(sets)} data have different sources ({found}), "
            "expected one. Give data of one source, or --mix-label-sources if they are meant to "
            "be used together."
        )


def _used(dataset: Dataset) -> Iterator[tuple[DataFile, np.ndarray]]:
    """Per file the codes of its rows that are used, where any are."""
    rows = dataset.source.rows[dataset.indices]
    for number, file in enumerate(dataset.source.files):
        codes = file.label_codes[rows[rows[:, 0] == number, 1]]
        if len(codes):
            yield file, codes


def _sources(file: DataFile, codes: np.ndarray) -> list[LabelSource]:
    """Those of some rows of a file."""
    predicted = file.label_source.is_predicted
    both = LabelSource(ANNOTATION) if predicted else file.label_source, file.label_source
    return [both[code] for code in range(len(KINDS)) if (codes == code).any()]

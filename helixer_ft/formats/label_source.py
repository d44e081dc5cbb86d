"""Where the labels of a data file come from: an annotation, or predictions of trained models.

Labels that are predictions can teach, but not judge: agreement with them says nothing about
accuracy. A file that says nothing holds an annotation.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.hdf5 import GZIP_LEVEL, as_text, attribute, find
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.model_h5 import BATCHNORM_ORIGINAL, ModelFile

Kind = Literal["annotation", "predictions"]
ANNOTATION: Kind = "annotation"
PREDICTIONS: Kind = "predictions"
KINDS: tuple[Kind, ...] = (ANNOTATION, PREDICTIONS)
"""The code of a row is the place of its kind here."""
ATTRIBUTE, DATASET = "label_source", "data/label_source"
_LONGEST = 2**24
"""Characters of the attribute; that of two teachers has some 10,000."""


@dataclass(frozen=True)
class SourceFile:
    """A file that labels follow from: its name, and the SHA-256 of its content, hexadecimal."""

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "SourceFile":
        """The file at a path; reads all of it."""
        return cls(path.name, file_sha256(path))


@dataclass(frozen=True)
class Teacher(SourceFile):
    """A trained model whose predictions became labels.

    Attributes
    ----------
    name, sha256
        Of its file.
    provenance
        What helixer-ft recorded in it (attribute names without the prefix).
    """

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_model(cls, model: ModelFile) -> "Teacher":
        """A model that was read from a file; the numbers of statistics it once had are left out."""
        assert model.path is not None, "read from a file"
        kept = {k: text for k, text in model.provenance.items() if k != BATCHNORM_ORIGINAL}
        return cls(model.path.name, model.sha256, kept)


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from.

    Attributes
    ----------
    kind
        "annotation" or "predictions".
    teachers
        The models whose predictions they are; none where these are not known.
    fasta, gff3, bams
        The genome, the gene models and the aligned reads that they follow from.
    helixerpost
        Version of the HelixerPost that made genes of the predictions.
    filters
        Names of what the genes were selected by.
    seed
        Of the selection and the split.
    counts
        Of genes: what of -> how many.
    """

    kind: Kind = ANNOTATION
    teachers: tuple[Teacher, ...] = ()
    fasta: SourceFile | None = None
    gff3: SourceFile | None = None
    bams: tuple[SourceFile, ...] = ()
    helixerpost: str | None = None
    filters: tuple[str, ...] = ()
    seed: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_predicted(self) -> bool:
        """Whether the labels are predictions."""
        return self.kind == PREDICTIONS

    @property
    def text(self) -> str:
        """In words: "annotation", "predictions of land_plant.h5"."""
        names = ", ".join(teacher.name for teacher in self.teachers)
        return f"{self.kind} of {names}" if names else self.kind

    def brief(self) -> dict[str, Any]:
        """As `--json` prints it: the kind, and the names of the teachers."""
        return {"kind": self.kind, "teachers": [teacher.name for teacher in self.teachers]}

    def to_dict(self) -> dict[str, Any]:
        """All of it, as files keep it (JSON values)."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Any) -> "LabelSource":
        """The value that `to_dict` gave; names that are not known are passed over.

        Raises
        ------
        ValueError
            It is something else.
        """
        values = _typed(record, dict, "the record")
        kind = values.get("kind")
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}, not one of {', '.join(KINDS)}")
        counts = _typed(values.get("counts", {}), dict, "counts")
        return cls(
            kind=kind,
            teachers=tuple(
                Teacher(*_file(one, "a teacher"), _texts(one.get("provenance", {}), "provenance"))
                for one in _typed(values.get("teachers", []), list, "teachers")
            ),
            fasta=_file_or_none(values, "fasta"),
            gff3=_file_or_none(values, "gff3"),
            bams=tuple(
                SourceFile(*_file(one, "one of bams"))
                for one in _typed(values.get("bams", []), list, "bams")
            ),
            helixerpost=_or_none(values, "helixerpost", str),
            filters=tuple(
                _typed(one, str, "one of filters")
                for one in _typed(values.get("filters", []), list, "filters")
            ),
            seed=_or_none(values, "seed", int),
            counts={name: _typed(n, int, f"counts of {name}") for name, n in counts.items()},
        )


def write_label_source(file: h5py.File, source: LabelSource, codes: np.ndarray) -> None:
    """Write the attribute and the dataset; neither is there yet.

    Parameters
    ----------
    file
        A data file, open for writing; it has the group `data`.
    source
        Where the labels come from; of rows of both kinds, where the predicted ones do.
    codes
        (rows,) uint8: 0 annotation, 1 predictions.
    """
    file.attrs[ATTRIBUTE] = json.dumps(source.to_dict())
    file.create_dataset(
        DATASET,
        data=codes.astype(np.uint8, casting="same_kind"),
        maxshape=(None,),
        chunks=(1,),
        compression="gzip",
        compression_opts=GZIP_LEVEL,
    )


def read_label_source(file: h5py.File, path: Path, n_rows: int) -> tuple[LabelSource, np.ndarray]:
    """Read where the labels of a data file come from.

    Parameters
    ----------
    file, path
        The open file, and its path for messages.
    n_rows
        Rows of `data/X`.

    Returns
    -------
    LabelSource
        The record; "annotation" where the file says nothing.
    (rows,) uint8
        0 annotation, 1 predictions. Where there is only the attribute, all rows are of its kind.

    Raises
    ------
    InputError
        The attribute is no record of that form; the dataset is of another shape or type, has
        other codes, or contradicts the attribute.
    """
    text = attribute(file, ATTRIBUTE)
    source = None if text is None else _record(as_text(text), path)
    codes = _codes(file, path, n_rows)
    if codes is None:
        source = source or LabelSource()
        return source, np.full(n_rows, KINDS.index(source.kind), np.uint8)
    if source is None:
        return LabelSource(PREDICTIONS if codes.any() else ANNOTATION), codes
    if codes.any() and not source.is_predicted:
        raise InputError(
            f"{path}: {codes.sum():,} of {n_rows:,} rows of {DATASET} say {PREDICTIONS}, but the "
            f"attribute '{ATTRIBUTE}' says {ANNOTATION}, expected the same of both. {_REMEDY}"
        )
    return source, codes


_REMEDY = "The file is damaged or was put together by hand: make it anew (see docs/formats.md)."


def _codes(file: h5py.File, path: Path, n_rows: int) -> np.ndarray | None:
    dataset = find(file, DATASET)
    if dataset is None:
        return None
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != (n_rows,):
        found = f"of shape {dataset.shape}" if isinstance(dataset, h5py.Dataset) else "a group"
        raise InputError(f"{path}: {DATASET} is {found}, expected {(n_rows,)}. {_REMEDY}")
    if dataset.dtype.kind not in "biu":
        raise InputError(
            f"{path}: {DATASET} holds {dataset.dtype}, expected whole numbers (uint8). {_REMEDY}"
        )
    values: np.ndarray = dataset[()]
    known = np.isin(values, range(len(KINDS)))
    if not known.all():
        raise InputError(
            f"{path}: {DATASET} has the code {values[~known][0]}, expected 0 ({ANNOTATION}) or 1 "
            f"({PREDICTIONS}). {_REMEDY}"
        )
    return values.astype(np.uint8)


def _record(text: str, path: Path) -> LabelSource:
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"it has {len(text):,} characters")
        return LabelSource.from_dict(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: its attribute '{ATTRIBUTE}' cannot be read ({error}), expected JSON as "
            f"helixer-ft writes it. {_REMEDY}"
        ) from error


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a {kind.__name__}")
    return value


def _or_none(values: Mapping[str, Any], name: str, kind: type) -> Any:
    value = values.get(name)
    return None if value is None else _typed(value, kind, name)


def _file(value: Any, name: str) -> tuple[str, str]:
    found = _typed(value, dict, name)
    return _typed(found.get("name"), str, "name"), _typed(found.get("sha256"), str, "sha256")


def _file_or_none(values: Mapping[str, Any], name: str) -> SourceFile | None:
    value = values.get(name)
    return None if value is None else SourceFile(*_file(value, name))


def _texts(value: Any, name: str) -> dict[str, str]:
    found = _typed(value, dict, name)
    return {key: _typed(text, str, f"{name} {key}") for key, text in found.items()}

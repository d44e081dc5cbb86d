"""What a preparation is asked to do; defaults live here alone, command line and docs read them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import DEFAULT_LENGTH, check_length, check_species
from helixer_ft.preparation.samples import Role, Sample

DEFAULT_UTR_FLANK = 300
"""Bases that --missing-utr keep masks next to a CDS without UTR (docs/labels.md says why)."""
DEFAULT_VALIDATION_FRACTION = 0.2
DEFAULT_TEST_FRACTION = 0.1


@dataclass(frozen=True)
class PrepareRequest:
    """One run of `prepare`.

    Attributes
    ----------
    samples
        The genomes: all with annotation, or all without (X only).
    out_dir
        Folder to write to.
    sheet
        The file that lists the samples, if there is one.
    subsequence_length
        Bases of a row, a multiple of 9.
    split
        Make sets; otherwise one file per species.
    validation_fraction, test_fraction
        Of the bases; None: the default, unless sequences are named.
    validation_seqids, test_seqids
        Sequences chosen for a set.
    exclude
        Sequences that are left out (organelles).
    genes
        File of gene IDs, one a line: all others are masked.
    missing_utr, utr_flank
        "mask": as Helixer, from the CDS to halfway to the next gene; "keep": a flank of so many
        bp (None: the default).
    labels_are_predictions
        The genes are predictions: the data say so, and there are no test data.
    strict
        Refuse an annotation with odd lines, rather than mask the genes that have them.
    threads
        Number of threads; None: one per processor.
    seed
        Seed of the split.
    dry_run
        Check and report everything, write nothing.
    force
        Overwrite files of an earlier run.
    command_line
        As it was typed, for the record.
    """

    samples: tuple[Sample, ...]
    out_dir: Path
    subsequence_length: int = DEFAULT_LENGTH
    split: bool = True
    validation_fraction: float | None = None
    test_fraction: float | None = None
    validation_seqids: tuple[str, ...] = ()
    test_seqids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    genes: Path | None = None
    missing_utr: Literal["mask", "keep"] = "mask"
    utr_flank: int | None = None
    labels_are_predictions: bool = False
    strict: bool = False
    threads: int | None = None
    seed: int = 0
    dry_run: bool = False
    force: bool = False
    command_line: str = ""
    sheet: Path | None = None

    def __post_init__(self) -> None:
        check_length(self.subsequence_length)
        for sample in self.samples:
            check_species(sample.species)
        if self.seed < 0:
            raise InputError(f"--seed is {self.seed}, expected a whole number of at least 0.")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"--threads is {self.threads}, expected a whole number of at least 1.")
        if self.utr_flank is not None and self.utr_flank < 0:
            raise InputError(f"--utr-flank is {self.utr_flank}, expected at least 0 bp.")
        if self.utr_flank is not None and self.missing_utr == "mask":
            raise InputError(
                "--utr-flank requires --missing-utr keep. Add that, or leave --utr-flank out."
            )
        if self.labelled:
            self._check_split()
        else:
            self._refuse("concerns labels, which need --gff3", self._label_options())

    @property
    def labelled(self) -> bool:
        """Whether there is an annotation."""
        return all(sample.gff3 is not None for sample in self.samples)

    @property
    def fractions(self) -> Mapping[str, float]:
        """Set -> share of the bases of a genome that is split; training has what sets that are not
        named leave.
        """
        validation, test = self.validation_fraction, self.test_fraction
        if validation is None:
            validation = DEFAULT_VALIDATION_FRACTION
        if test is None:
            test = 0 if self.labels_are_predictions else DEFAULT_TEST_FRACTION
        shares = {"validation": validation, "test": test}
        drawn = sum(share for name, share in shares.items() if name not in self.named)
        return {"training": 1 - drawn, **shares}

    @property
    def named(self) -> Mapping[str, tuple[str, ...]]:
        """Set -> sequences chosen for it."""
        both = {"validation": self.validation_seqids, "test": self.test_seqids}
        return {name: seqids for name, seqids in both.items() if seqids}

    def settings(self) -> dict[str, Any]:
        """The options that shape the result, named as on the command line."""
        left_out = (
            "samples", "sheet", "out_dir", "threads", "dry_run", "force", "command_line", "split",
        )  # fmt: skip
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}
        values["genes"] = None if self.genes is None else str(self.genes)
        for name in ("validation", "test"):
            used = self.labelled and self.split and name not in self.named
            values[f"{name}_fraction"] = self.fractions[name] if used else None
        return values | {"no_split": not self.split}

    def _split_options(self) -> dict[str, bool]:
        return {
            "--validation-fraction": self.validation_fraction is not None,
            "--test-fraction": self.test_fraction is not None,
            "--validation-seqids": bool(self.validation_seqids),
            "--test-seqids": bool(self.test_seqids),
        }

    def _label_options(self) -> dict[str, bool]:
        return self._split_options() | {
            "--genes": self.genes is not None,
            "--missing-utr": self.missing_utr != "mask",
            "--labels-are-predictions": self.labels_are_predictions,
            "--strict": self.strict,
        }

    def _check_split(self) -> None:
        roles = {sample.role for sample in self.samples}
        if not self.split:
            self._refuse("contradicts --no-split", self._split_options())
            if roles != {"split"}:
                raise InputError(
                    f"--no-split contradicts the role(s) {', '.join(sorted(roles - {'split'}))} of "
                    "the sheet. Leave it out, or give every species the role split."
                )
            return
        if "split" not in roles:
            self._refuse("needs a species of the role split", self._split_options())
        if len(self.samples) > 1:
            seqids = {k: v for k, v in self._split_options().items() if k.endswith("seqids")}
            self._refuse("is for one species; use roles in the sheet", seqids)
        if self.labels_are_predictions:
            self._check_without_test(roles)
        self._check_named()
        self._check_fractions()
        for part, role in (("training", "train"), ("validation", "validation")):
            if "split" not in roles and role not in roles:
                raise InputError(
                    f"no species has the role {role} (or split), so there would be no {part} data. "
                    "Give one that role in the sheet."
                )

    def _check_without_test(self, roles: set[Role]) -> None:
        asked = {
            "--test-fraction": bool(self.test_fraction),
            "--test-seqids": bool(self.test_seqids),
            "the role test of the sheet": "test" in roles,
        }
        self._refuse(
            "asks for test data, which predictions cannot be (--labels-are-predictions): "
            "agreement with them says nothing about accuracy",
            asked,
        )

    def _check_named(self) -> None:
        for name, fraction in (
            ("validation", self.validation_fraction),
            ("test", self.test_fraction),
        ):
            if name in self.named and fraction is not None:
                raise InputError(
                    f"--{name}-seqids and --{name}-fraction contradict each other. "
                    "Leave one of the two out."
                )
        both = sorted(set(self.validation_seqids) & set(self.test_seqids))
        if both:
            raise InputError(
                f"--validation-seqids and --test-seqids share {', '.join(both)}, expected each "
                "sequence in one set."
            )
        excluded = sorted({*self.validation_seqids, *self.test_seqids} & set(self.exclude))
        if excluded:
            raise InputError(
                f"{', '.join(excluded)}: chosen for a set, and left out by --exclude. Choose one."
            )

    def _check_fractions(self) -> None:
        validation, test = (self.fractions[name] for name in ("validation", "test"))
        if not 0 < validation < 1:
            raise InputError(
                f"--validation-fraction is {validation}, expected a share between 0 and 1: "
                "training needs validation data."
            )
        if not 0 <= test < 1:
            raise InputError(
                f"--test-fraction is {test}, expected a share of at least 0 and below 1."
            )
        if self.fractions["training"] <= 0:
            given = " and ".join(
                f"--{name}-fraction {self.fractions[name]}"
                for name in ("validation", "test")
                if name not in self.named
            )
            raise InputError(f"{given} leave nothing to train on, expected a sum below 1.")

    @staticmethod
    def _refuse(why: str, options: Mapping[str, bool]) -> None:
        given = [name for name, is_given in options.items() if is_given]
        if given:
            raise InputError(f"{', '.join(given)} {why}. Leave it out.")

"""The progress of a run of `freeze` that does not compute: `python scripted_run.py CHECKS [fail]`.

Its checks are best up to the last but one; with "fail" it ends in an error after them.
"""

import sys
import time

import numpy as np

from helixer_ft.cli.output import Printer
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check


def score(hits: int, loss: float) -> DatasetScore:
    """Of 100 bases of UTR, CDS and intron each, `hits` are right, the others the next of them:
    genic F1 is `hits` / 100.
    """
    counts = np.zeros((1, 2, 4, 4), int)
    right = np.eye(3, dtype=int)
    counts[0, :, 1:, 1:] = right * hits + np.roll(right, 1, axis=1) * (100 - hits)
    return DatasetScore(counts, loss)


def check(number: int, last: int) -> Check:
    return Check(
        number=number,
        epoch=number,
        batch=3 * bool(number),
        training_loss=1.5 - number / 50 if number else None,
        subset=score(50 + number, 1 - number / 50),
        validation=score(40 + number, 1.2 - number / 50),
        improved=0 < number < last,
        failed_in_a_row=0,
        seconds=number * 61.0,
    )


def main(n_checks: int, fails: bool) -> None:
    printer = Printer(quiet=False, as_json=False)
    with printer:
        for name in ("validation", "training"):
            bodies = range(0, 12, 4)
            task = f"evaluating the frozen body: {name} data"
            for _ in printer.track(task, 12, bodies, "windows", lambda _: 4):
                time.sleep(0.02)
        printer.check(check(0, n_checks))
        for number in range(1, n_checks + 1):
            printer.start(f"epoch {number}", 12, "windows")
            for _ in range(3):
                time.sleep(0.1)
                printer.advance(4, f"loss {1.5 - number / 50:.4f}")
            printer.finish()
            printer.check(check(number, n_checks))
        if fails:
            raise RuntimeError("training diverged")
    printer.out.print("Verdict: better. " + "A long sentence goes on. " * 5, markup=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), "fail" in sys.argv)

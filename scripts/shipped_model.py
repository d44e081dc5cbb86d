"""Makes the small trained model that the package ships: `python -m helixer_ft.simulate.pretrain`.

A network of Helixer's shape with random weights is trained on the simulated source species with
`helixer-ft whole`'s own code, so that fine-tuning it to the simulated target species shows what
fine-tuning a released Helixer model to a real one does.
"""

import tempfile
from pathlib import Path

import click

from helixer_ft.cli.base import Command
from helixer_ft.formats.atomic import check_writable
from helixer_ft.runtime.backend import select_backend
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.history import Check, TrainingProgress

SEED = 0
SPECIES_SEED = 1000
"""Of the source genome; far from the seeds that users simulate target species with."""


class _Lines(TrainingProgress):
    """A line per check."""

    def check(self, check: Check) -> None:
        """Tell of a check."""
        score = f"{check.validation.genic_f1:.4f}"
        click.echo(f"check {check.number}: genic F1 {score}, {check.seconds:.0f} s", err=True)


@click.command(cls=Command)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Model to write (.h5).")
@click.option("--epochs", default=30, show_default=True, help="Upper bound.")
def main(out: Path, epochs: int) -> None:
    """Train the small model of the simulated source species."""
    check_writable(out, force=True)
    settings = TrainingSettings(epochs=epochs, learning_rate=3e-3, patience=5, seed=SEED)
    backend = select_backend("auto")
    click.echo(f"Keras backend: {backend.name} ({backend.reason})", err=True)

    from helixer_ft.formats.model_h5 import write_model_file
    from helixer_ft.network.architecture import (
        Architecture,
        BatchNorm,
        BiLSTM,
        Conv,
        Dense,
        Pool,
    )
    from helixer_ft.network.model import load_model, new_model
    from helixer_ft.simulate import SOURCE, write_species
    from helixer_ft.training.fine_tune import run
    from helixer_ft.training.prepared import prepare_run
    from helixer_ft.training.request import FineTuneRequest

    architecture = Architecture(
        body=(
            Conv("conv1d", 16, 10),
            BatchNorm("batch_normalization"),
            Conv("conv1d_1", 16, 10),
            Pool("reshape", 9),
            BiLSTM("bidirectional", 24),
        ),
        head=(Dense("dense", 72),),
        pool_size=9,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_species(folder / "source", SOURCE, SPECIES_SEED, n_sequences=24, with_model=False)
        write_model_file(folder / "random.h5", new_model(architecture, SEED).to_file({}))
        request = FineTuneRequest(
            command="whole",
            load_model_path=folder / "random.h5",
            data_dir=folder / "source",
            test_data=(folder / "source" / "test_data.h5",),
            save_model_path=folder / "trained.h5",
            settings=settings,
        )
        progress = _Lines()
        outcome = run(prepare_run(request, progress), progress)
        score = outcome.decisive.tuned.genic_f1
        click.echo(f"genic F1 on held-out sequences of the source species: {score:.4f}")
        trained = load_model(request.save_model_path)
        write_model_file(out, trained.to_file({}), force=True)


if __name__ == "__main__":
    main()

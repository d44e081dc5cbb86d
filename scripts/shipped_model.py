"""Makes the small trained model that the package ships: `python scripts/shipped_model.py --out M`.

A network of Helixer's shape with random weights is trained on the simulated source species, so that
fine-tuning it to the simulated target species shows what fine-tuning a released Helixer model to a
real one does. For maintainers: a model made anew goes to `helixer_ft.simulate.files.SOURCE_MODEL`.
"""

import tempfile
from pathlib import Path

import click

from helixer_ft.cli.base import Command
from helixer_ft.formats.atomic import check_writable
from helixer_ft.runtime.backend import select_backend
from helixer_ft.settings import TrainingSettings
from helixer_ft.simulate.files import SOURCE_SEED, write_species
from helixer_ft.simulate.species import SOURCE

SEED = 0


@click.command(cls=Command)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Model to write (.h5).")
@click.option("--epochs", default=30, show_default=True, help="Upper bound.")
def main(out: Path, epochs: int) -> None:
    """Train the small model of the simulated source species."""
    check_writable(out, force=True)
    settings = TrainingSettings(epochs=epochs, learning_rate=3e-3, patience=5, seed=SEED)
    select_backend("auto")

    from helixer_ft.cli.output import Printer
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
    from helixer_ft.network.strategies import Whole
    from helixer_ft.training.fine_tune import fine_tune
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
    with tempfile.TemporaryDirectory() as name, Printer(quiet=False, as_json=False) as printer:
        folder = Path(name)
        write_species(folder / "source", SOURCE, SOURCE_SEED, n_sequences=24, with_model=False)
        write_model_file(folder / "random.h5", new_model(architecture, SEED).to_file({}))
        request = FineTuneRequest(
            strategy=Whole(),
            load_model_path=folder / "random.h5",
            data_dir=folder / "source",
            test_data=(folder / "source" / "test_data.h5",),
            save_model_path=folder / "trained.h5",
            settings=settings,
        )
        score = fine_tune(request, printer).decisive.tuned.genic_f1
        click.echo(f"genic F1 on held-out sequences of the source species: {score:.4f}")
        write_model_file(out, load_model(request.save_model_path).to_file({}), force=True)


if __name__ == "__main__":
    main()

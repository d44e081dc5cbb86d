"""Model files through the reader; see README.md.

`fuzz_model.py hdf5 CORPUS`: the input is the file. `fuzz_model.py config CORPUS`: the input chooses
changes to the `model_config` of a sound file. Allowed is what `inspect` says of a model, of data or
of predictions, or a `HelixerFtError`.
"""

import copy
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["helixer_ft"]):
    import h5py
    import numpy as np

    from helixer_ft import inspection
    from helixer_ft.errors import HelixerFtError
    from helixer_ft.formats import hdf5_check
    from helixer_ft.formats.model_h5 import ModelFile, write_model_file
    from helixer_ft.inspection.inspect import inspect
    from helixer_ft.network.architecture import Architecture, BatchNorm, BiLSTM, Conv, Dense, Pool
    from helixer_ft.network.config_reader import parse_config
    from helixer_ft.network.config_writer import render_config
    from helixer_ft.network.model import model_of

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.network.builders import nested_coverage, random_model, split_coverage

ARCHITECTURE = Architecture(
    body=(
        Conv("conv1d", 2, 3), BatchNorm("batch_normalization"), Conv("conv1d_1", 2, 3),
        Pool("reshape", 3), BiLSTM("bidirectional", 2),
    ),
    head=(Dense("dense", 24),),
    pool_size=3,
)  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, 1, -1, 2, 3, 24, 10**30, 0.5, float("nan"), float("inf"), "", "dense", "linear",
    "softmax", "Lambda", "Reshape", "split", [], [[]], [-1, 3, 4], [None, None, 4], {}, {"a": 1},
]  # fmt: skip

_folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
_path = Path(_folder.name) / "model.h5"


def sound_models() -> list[ModelFile]:
    """Of Helixer's three forms: plain, the body a model of its own, and flat with coverage."""
    plain = render_config(ARCHITECTURE)
    configs = (plain, nested_coverage(plain), split_coverage(plain))
    return [
        replace(random_model(parse_config(config, "seed"), config=config).to_file({}), path=_path)
        for config in configs
    ]


def inspect_path() -> None:
    """Inspect the file; an error must name it."""
    message = str(_path)
    try:
        inspect(_path).to_dict()
    except HelixerFtError as error:
        message = str(error)
    assert str(_path) in message, message


def hdf5_input(data: bytes) -> None:
    """`data` is the file."""
    _path.write_bytes(data)
    hdf5_check._walker._sound.clear()  # written too often for its time to tell
    inspect_path()


def config_input(data: bytes) -> None:
    """`data` chooses a sound model and changes to its config."""
    choices = atheris.FuzzedDataProvider(data)
    sound = SOUND[choices.ConsumeIntInRange(0, len(SOUND) - 1)]
    config = copy.deepcopy(sound.config)
    for _ in range(choices.ConsumeIntInRange(1, 3)):
        change(config, choices)
    changed = replace(sound, config=json.loads(json.dumps(config)))
    inspection.model.load_model = lambda path: model_of(changed)
    message = str(_path)
    try:
        inspection.model.inspect_model(_path).to_dict()
    except HelixerFtError as error:
        message = str(error)
    assert str(_path) in message, message


def change(config: Any, choices: atheris.FuzzedDataProvider) -> None:
    """Change one place of the JSON: remove, double or replace it."""
    places = list(_places(config))
    if not places:
        return
    owner, key = places[choices.ConsumeIntInRange(0, len(places) - 1)]
    kind = choices.ConsumeIntInRange(0, 3)
    if kind == 0:
        del owner[key]
    elif kind == 1:
        owner[key] = copy.deepcopy(VALUES[choices.ConsumeIntInRange(0, len(VALUES) - 1)])
    elif kind == 2:
        other, at = places[choices.ConsumeIntInRange(0, len(places) - 1)]
        owner[key] = copy.deepcopy(other[at])
    elif isinstance(owner, list):
        owner.insert(key, copy.deepcopy(owner[key]))


def _places(value: Any) -> Any:
    """Every (container, key or index) of the JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def write_seeds(folder: Path) -> None:
    """A model, data and predictions, as small as they come."""
    write_model_file(folder / "seed_model", SOUND[0], force=True)
    with h5py.File(folder / "seed_data", "w") as file:
        for name, array in {
            "X": np.full((2, 6, 4), 0.25, np.float16),
            "y": np.ones((2, 6, 4), np.int8),
            "sample_weights": np.ones((2, 6), np.int8),
            "seqids": np.full(2, "chr1", "S50"),
            "species": np.full(2, "sim", "S25"),
            "is_annotated": np.ones(2, bool),
            "err_samples": np.ones(2, bool),
        }.items():
            file.create_dataset(
                f"data/{name}", data=array, chunks=(1, *array.shape[1:]), compression="gzip"
            )
    with h5py.File(folder / "seed_predictions", "w") as file:
        file["predictions"] = np.full((2, 6, 4), 0.25, np.float16)
        file.attrs["model_config"] = json.dumps(SOUND[0].config)


SOUND = sound_models()

if __name__ == "__main__":
    mode, corpus = sys.argv.pop(1), Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    if mode == "hdf5":
        write_seeds(corpus)
    atheris.Setup(sys.argv, hdf5_input if mode == "hdf5" else config_input)
    atheris.Fuzz()

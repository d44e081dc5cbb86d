"""`freeze` on an accelerator: the body's output stays on the devices where it fits there."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from helixer_ft.dataset.dataset import Dataset, DeviceRows
from helixer_ft.engine import Engine
from helixer_ft.progress import size_text
from helixer_ft.runtime.memory import room_for_batch
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.loop import TrainingData

_ROWS_AT_ONCE = 64


def keep_features_on_device(
    engine: Engine, data: TrainingData, settings: TrainingSettings, progress: TrainingProgress
) -> TrainingData:
    """The data of a training whose features are on the devices, as far as there is room for them
    next to a training step and scoring: first those that are trained on, then those of validation.

    Nothing changes where there are no features, where the memory of the device is the host's or is
    not known, and where several processes share the work (each would need all of them).
    """
    if data.training.features is None or not engine.alone:
        return data
    if engine.memory is None or engine.memory.is_host:
        return data
    batch = data.training.read(np.arange(1))
    assert isinstance(batch.features, np.ndarray), "features come from the cache"
    row = batch.features[0]
    size = settings.val_test_batch_size
    scored = engine.windows_at_once if size == "auto" else size
    steps = max(
        engine.step_bytes(batch, min(settings.batch_size, len(data.training)), training=True),
        engine.step_bytes(batch, scored, training=False),
    )
    room = room_for_batch(engine.memory) - steps - _ROWS_AT_ONCE * row.nbytes
    kept: dict[str, Dataset] = {}
    for name, dataset in (("training", data.training), ("validation", data.validation)):
        taken = dataset.decoded.n * row.nbytes
        if taken > room:
            break
        room -= taken
        shape = dataset.decoded.n, *row.shape
        values = engine.keep(_parts(dataset), shape, row.dtype)
        kept[name] = replace(dataset, features=DeviceRows(values))
    if not kept:
        return data
    taken = sum(dataset.decoded.n for dataset in kept.values()) * row.nbytes
    names = " and ".join(kept)
    progress.notice(f"the body's output for {names} data stays on the device ({size_text(taken)})")
    training = kept["training"]
    return TrainingData(
        training=training,
        subset=replace(data.subset, features=training.features),
        validation=kept.get("validation", data.validation),
    )


def _parts(dataset: Dataset) -> Iterator[np.ndarray]:
    """The features of all subsequences of the files, a few at once."""
    assert dataset.features is not None, "there are features"
    for start in range(0, dataset.decoded.n, _ROWS_AT_ONCE):
        yield dataset.features.read(np.arange(start, min(dataset.decoded.n, start + _ROWS_AT_ONCE)))

"""How much disk a run needs while it works."""

from helixer_ft.dataset.cache_folder import memory_for_cache
from helixer_ft.dataset.dataset import decoded_bytes
from helixer_ft.runtime.resources import available_disk
from helixer_ft.training.prepared import PreparedRun

_COPIES_OF_WEIGHTS = 4
"""In a state: present, best, averaged, and those whose gradients are summed up."""
_COPIES_OF_TRAINED = 2
"""The optimiser's moments."""


def run_disk(prepared: PreparedRun, feature_bytes: int) -> tuple[int, int]:
    """Bytes that a run needs, and those that are free beside its model.

    Models, states (while one is written, the one before is there too) and, where they do not fit
    into memory, caches.
    """
    request, plan, settings = prepared.request, prepared.plan, prepared.settings
    weights = sum(array.nbytes for layer in plan.model.weights.values() for array in layer)
    trained = weights * plan.trainable_parameters // max(1, plan.total_parameters)
    trainings = 1 if prepared.comparison is None else 2
    state = _COPIES_OF_WEIGHTS * weights + _COPIES_OF_TRAINED * trained
    models = trainings
    if settings.save_every_check:
        updates = -(-len(prepared.data.training) // settings.batch_size)
        every = settings.check_every_nth_batch
        models += settings.epochs * (1 + (updates // every if every else 0))
    parent = request.save_model_path.absolute().parent
    needed = models * weights + 2 * trainings * state + _caches(prepared, feature_bytes)
    return needed, available_disk(parent)


def _caches(prepared: PreparedRun, feature_bytes: int) -> int:
    """Bytes of caches that go on disk."""
    request = prepared.request
    asked_for = request.cache.keep or request.cache.folder is not None
    sets = [prepared.data.training, prepared.data.validation]
    decoded = sum(map(decoded_bytes, [*sets, *([prepared.test] if prepared.test else [])]))
    in_memory = 0 if asked_for else memory_for_cache(prepared.processes.beside)
    return sum(size for size in (decoded, feature_bytes) if size > in_memory)

"""An engine for tests of what is written when: nothing is compiled."""

from contextlib import contextmanager

import numpy as np

from helixer_ft.engine import EngineState, ScoredBatch


class QuickEngine:
    """Learns nothing of use, quickly: what comes depends on every batch so far, in its order."""

    alone = True
    training_mode = True
    windows_at_once = 32

    def __init__(self, architecture, weights, plan, settings, *, from_features):
        self.architecture = architecture
        self.weights = weights
        self.memory = np.zeros(1)
        self.accumulated: list[tuple[int, list[np.ndarray]]] = []
        self.rate = 1.0
        self.mean = weights["dense"]

    def reading(self, read, batch_size):
        return read

    def add_gradients(self, batch, batch_size):
        value = np.sin(batch.rows[:, 0].sum(dtype=np.int64) + self.memory)
        self.accumulated.append((len(batch), [value]))
        return float(1 + abs(value[0])), np.ones(2)

    def update(self):
        for n, (value,) in self.accumulated:
            self.memory = np.cos(self.memory + n * value)
        self.accumulated.clear()
        step = self.rate * self.memory
        self.weights = self.weights | {"dense": [w + step for w in self.weights["dense"]]}

    def set_learning_rate(self, value):
        self.rate = value

    def average(self, share):
        pairs = zip(self.mean, self.weights["dense"], strict=True)
        self.mean = [share * mean + (1 - share) * w for mean, w in pairs]

    @contextmanager
    def averaged(self):
        present, self.weights = self.weights, self.weights | {"dense": self.mean}
        yield
        self.weights = present

    def score(self, batch, batch_size):
        shift = abs(float(self.weights["dense"][1].sum()))
        counts = np.zeros((len(batch), 2, 4, 4), np.int64)
        counts[:, :, 1, 1], counts[:, :, 1, 2] = 100 + int(10 * shift) % 50, 30
        return ScoredBatch(counts, np.full((len(batch), 2), 1 + shift))

    def predict_classes(self, batch, batch_size):
        return np.zeros((len(batch), batch.rows.shape[-1]), np.uint8)

    def get_weights(self):
        return {
            name: [np.array(array, np.float32) for array in arrays]
            for name, arrays in self.weights.items()
        }

    def set_weights(self, weights):
        self.weights = weights

    def state(self):
        values = {
            "trainable": list(self.weights["dense"]),
            "fixed": [self.memory],
            "average": list(self.mean),
        }
        return EngineState(values, [(n, list(values)) for n, values in self.accumulated])

    def restore(self, state):
        self.weights = self.weights | {"dense": state.variables["trainable"]}
        (self.memory,) = state.variables["fixed"]
        self.mean = state.variables["average"]
        self.accumulated = list(state.accumulated)


class QuickBody:
    """The frozen body of a network of pool size 9: its output is nothing but zeros."""

    def __init__(self, model, precision, batch_size, processes=None):
        self.batch_size = batch_size
        self.width = model.architecture.feature_width

    def choose_batch_size(self, batch, sets):
        """Any will do."""

    def computing(self, read):
        return lambda indices: self._zeros(read(indices))

    def computing_together(self, read):
        return self.computing(read)

    def _zeros(self, batch):
        return np.zeros((len(batch), batch.rows.shape[-1] // 9, self.width), np.float32)


def use_quick(monkeypatch):
    """Runs compute nothing: neither the body nor what trains."""
    monkeypatch.setattr("helixer_ft.training.fine_tune.engine_class", lambda: QuickEngine)
    monkeypatch.setattr("helixer_ft.training.features.Body", QuickBody)
    # which looks at the memory of the engine's device
    monkeypatch.setattr(
        "helixer_ft.training.fine_tune.keep_features_on_device", lambda _, data, *__: data
    )

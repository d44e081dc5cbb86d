"""The loss and its weights, against a slow implementation base by base."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import batch_of

from helixer_ft.engine.arithmetic import count_and_entropy
from helixer_ft.engine.loss import losses, pooled_validity, pooled_weights
from helixer_ft.formats.data_h5 import NO_CLASS, Windows
from helixer_ft.settings import TrainingSettings

POOL, N, LENGTH = 9, 3, 45


@pytest.fixture
def windows() -> Windows:
    generator = np.random.default_rng(5)
    genic = generator.integers(0, 4, (N, LENGTH)).astype(np.uint8)
    genic[:, :18] = 0  # steps of a single class too
    phase = generator.integers(0, 4, (N, LENGTH)).astype(np.uint8)
    valid = generator.random((N, LENGTH)) > 0.03
    genic[2, 30:] = phase[2, 30:] = NO_CLASS
    valid[2, 30:] = False
    transitions = (generator.random((N, LENGTH)) < 0.1) * generator.integers(0, 64, (N, LENGTH))
    bases = np.zeros((N, LENGTH, 4), np.float16)
    return Windows(bases, genic, phase, transitions.astype(np.uint8), valid)


def slow_weight(windows: Windows, row: int, step: int, settings: TrainingSettings) -> float:
    bases = slice(step * POOL, (step + 1) * POOL)
    if not all(windows.valid[row, bases]):
        return 0.0
    weight = 1.0
    if settings.class_weights is not None:
        weight *= sum(settings.class_weights[c] for c in set(windows.genic[row, bases].tolist()))
    if settings.transition_weights is not None:
        kinds = {
            kind
            for mark in windows.transitions[row, bases]
            for kind in range(6)
            if mark >> kind & 1
        }
        weight *= sum(settings.transition_weights[kind] for kind in kinds) or 1.0
    return weight


@pytest.mark.parametrize("class_weights", [None, (0.7, 1.6, 1.2, 1.2)])
@pytest.mark.parametrize("transition_weights", [None, (1, 12, 3, 1, 12, 3), (0, 0, 1, 0, 0, 0)])
def test_pooled_weights(windows, class_weights, transition_weights):
    settings = TrainingSettings(class_weights=class_weights, transition_weights=transition_weights)
    expected = [
        [slow_weight(windows, row, step, settings) for step in range(LENGTH // POOL)]
        for row in range(N)
    ]
    batch = batch_of(windows)
    weights = np.asarray(pooled_weights(batch.labels, batch.transitions, POOL, settings))
    assert weights.dtype == np.float32
    assert weights == pytest.approx(np.array(expected), rel=1e-6)


def class_first(logits: np.ndarray) -> np.ndarray:
    """The axes as the network has them."""
    return logits.transpose(0, 4, 2, 3, 1)


def slow_log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def slow_entropy(logits: np.ndarray, codes: np.ndarray, output: int) -> np.ndarray:
    """(N, LENGTH) cross-entropy per base."""
    log_p = slow_log_softmax(logits[:, :, output].astype(np.float64)).reshape(N, LENGTH, 4)
    result = np.zeros((N, LENGTH))
    for row in range(N):
        for base in range(LENGTH):
            if codes[row, base] != NO_CLASS:
                result[row, base] = -log_p[row, base, codes[row, base]]
    return result


def test_losses(windows):
    generator = np.random.default_rng(6)
    logits = generator.normal(0, 4, (N, LENGTH // POOL, 2, POOL, 4)).astype(np.float32)
    batch = batch_of(windows)
    weights = np.asarray(pooled_weights(batch.labels, batch.transitions, POOL, TrainingSettings()))
    per_base = np.repeat(weights, POOL, axis=1)
    genic = (slow_entropy(logits, windows.genic, 0) * per_base).mean()
    phase = (slow_entropy(logits, windows.phase, 1) * per_base).mean()
    total, parts = losses(class_first(logits), batch.labels, weights, N)
    assert np.asarray(parts) == pytest.approx([genic, phase], rel=1e-5)
    assert float(total) == pytest.approx(0.8 * genic + 0.2 * phase, rel=1e-5)


def test_loss_of_a_network_without_phase_is_the_genic_one(windows):
    logits = np.random.default_rng(6).normal(0, 1, (N, LENGTH // POOL, 1, POOL, 4))
    logits = logits.astype(np.float32)
    weights = np.ones((N, LENGTH // POOL), np.float32)
    total, parts = losses(class_first(logits), batch_of(windows).labels, weights, N)
    assert float(total) == pytest.approx(slow_entropy(logits, windows.genic, 0).mean(), rel=1e-5)
    assert len(np.asarray(parts)) == 1


def test_loss_comes_from_the_logits_without_clipping(windows):
    logits = np.zeros((N, LENGTH // POOL, 2, POOL, 4), np.float32)
    logits[..., 3] = 60.0  # probabilities clipped at 1e-7 would give at most 16 per base
    zeros = np.zeros_like(windows.genic)
    labels = batch_of(replace(windows, genic=zeros, phase=zeros)).labels
    weights = np.ones((N, LENGTH // POOL), np.float32)
    total, _ = losses(class_first(logits), labels, weights, N)
    assert float(total) == pytest.approx(60, rel=1e-5)


def test_counts_and_entropy(windows):
    generator = np.random.default_rng(7)
    logits = generator.normal(0, 2, (N, LENGTH // POOL, 2, POOL, 4)).astype(np.float32)
    logits[0, 0, 0, 0] = 1.0  # a tie goes to the lower class
    labels = batch_of(windows).labels
    valid = np.asarray(pooled_validity(labels, POOL))
    steps = windows.valid.reshape(N, -1, POOL).all(axis=-1)
    assert np.array_equal(valid, steps.astype(np.float32))
    counts, entropy = count_and_entropy(class_first(logits), labels)
    expected = np.zeros((N, 2, 4, 4))
    per_base = np.repeat(valid, POOL, axis=1)
    for output, codes in enumerate((windows.genic, windows.phase)):
        predicted = logits[:, :, output].argmax(-1).reshape(N, LENGTH)
        for row, base in np.argwhere(per_base):
            expected[row, output, codes[row, base] % 4, predicted[row, base]] += 1
        slow = (slow_entropy(logits, codes, output) * per_base).sum(axis=1)
        assert np.asarray(entropy)[:, output] == pytest.approx(slow, rel=1e-5)
    assert (np.asarray(counts) == expected).all()

"""A network of three batch norms for adaptation.py, made of one with a single batch norm."""

from dataclasses import replace

import numpy as np

from helixer_ft.adaptation.statistics import batch_norms, measure
from helixer_ft.adaptation.windows import WindowSource
from helixer_ft.network.architecture import BatchNorm, Conv, Pool
from helixer_ft.network.model import TrainedModel, new_model
from helixer_ft.progress import Progress

ADDED, NOISE = 2, 0.005


def deepened(model: TrainedModel, source: WindowSource) -> TrainedModel:
    """The network with two more batch norms and convolutions before it pools.

    They would change nothing, but for some noise in their kernels: a batch norm scales by the very
    moments that it divides by, those of its input over `source`, and a convolution takes each base
    as it is. Training has to make up for the noise, and makes layers of its own of them.
    """
    body = list(model.architecture.body)
    pool = next(i for i, layer in enumerate(body) if isinstance(layer, Pool))
    last, norm = body[pool - 1], batch_norms(model)[-1]
    assert isinstance(last, Conv), "a network without a batch norm before the pool"
    added: list[Conv | BatchNorm] = []
    for i in range(ADDED):
        for layer, stem, number in ((norm, "batch_normalization", i + 1), (last, "conv1d", i + 2)):
            added.append(replace(layer, name=f"{stem}_{number}", group=f"{stem}_{number}"))
    architecture = replace(model.architecture, body=(*body[:pool], *added, *body[pool:]))
    result = new_model(architecture, 0)
    weights = dict(result.weights) | model.weights
    kernel = np.zeros((last.kernel_size, last.filters, last.filters), np.float32)
    kernel[(last.kernel_size - 1) // 2] = np.eye(last.filters)
    found = measure(result.with_weights(weights), source, Progress())[added[0].name]
    generator = np.random.default_rng(0)
    for layer in added:
        if isinstance(layer, BatchNorm):
            scale = np.sqrt(found.variance + layer.epsilon)
            weights[layer.name] = [scale, found.mean, found.mean, found.variance]
        else:
            noise = generator.normal(0, NOISE, kernel.shape).astype(np.float32)
            weights[layer.name] = [kernel + noise, np.zeros(last.filters, np.float32)]
    return result.with_weights(weights)

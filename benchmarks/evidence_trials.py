"""Runs helixer-ft with a change to its training that is being tried; no option of it does that.

Usage: `python benchmarks/evidence_trials.py --trial NAME whole -l model.h5 ...`

A change that helps goes into a recipe of helixer-ft; one that does not stays here, so that its
measurement can be repeated. On the JAX backend alone.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helixer_ft.cli import program
from helixer_ft.formats.data_h5 import NO_CLASS
from helixer_ft.runtime.backend import select_backend

OPTION = "--trial"


@dataclass(frozen=True)
class Trial:
    """A change to the training; the defaults change nothing.

    Attributes
    ----------
    rate_below
        Learning rate of a layer as a share of that of the layer above it; the head's is the full
        one.
    pull
        Share of its distance from where it started by which each weight returns at each update
        (L2-SP, decoupled from the gradient as AdamW's decay is).
    smoothing
        Share of the label that all classes have alike (label smoothing); scores keep the labels.
    dropout
        Share of the features that are silenced before a head that is trained alone.
    """

    rate_below: float = 1.0
    pull: float = 0.0
    smoothing: float = 0.0
    dropout: float = 0.0

    def apply(self) -> None:
        """Change the training of this process, whose backend is chosen."""
        from helixer_ft.engine import base, loss

        if self.rate_below != 1.0 or self.pull:
            make = base.make_optimizer
            base.make_optimizer = lambda settings: self._optimizer(make(settings))
        if self.smoothing:
            loss.cross_entropy = self._smoothed(loss.cross_entropy)
        if self.dropout:
            self._silence_features()

    def _optimizer(self, optimizer: Any) -> Any:
        """The optimiser, whose steps are changed."""
        build, apply = optimizer.build, optimizer.stateless_apply
        starts: list[Any] = []
        rates: list[float] = []

        def built(variables: Any) -> None:
            layers = list(dict.fromkeys(variable.path.split("/")[0] for variable in variables))
            for variable in variables:
                starts.append(np.array(variable.value))
                above = len(layers) - 1 - layers.index(variable.path.split("/")[0])
                rates.append(self.rate_below**above)
            build(variables)

        def applied(state: Any, gradients: Any, trainable: Any) -> Any:
            updated, state = apply(state, gradients, trainable)
            changed = [
                before + rate * (after - before) - self.pull * (before - start)
                for before, after, rate, start in zip(
                    trainable, updated, rates, starts, strict=True
                )
            ]
            return changed, state

        optimizer.build, optimizer.stateless_apply = built, applied
        return optimizer

    def _smoothed(self, exact: Callable[..., Any]) -> Callable[..., Any]:
        """Cross-entropy with smoothed labels."""
        import jax
        from jax import numpy as jnp

        from helixer_ft.engine.loss import truth_codes

        def smoothed(logits: Any, labels: Any) -> Any:
            labelled = truth_codes(logits, labels) != NO_CLASS
            of_all = -jnp.mean(jax.nn.log_softmax(logits, axis=1), axis=1)
            of_truth = exact(logits, labels)
            return of_truth + self.smoothing * jnp.where(labelled, of_all - of_truth, 0.0)

        return smoothed

    def _silence_features(self) -> None:
        """Dropout of what the head is fed, in training steps."""
        import jax
        from jax import numpy as jnp

        from helixer_ft.engine import jax as jax_engine

        weights, network_input = jax_engine.pooled_weights, jax_engine.network_input
        trains = False

        def noted(*args: Any) -> Any:  # a training step, and no scoring, asks for loss weights
            nonlocal trains
            trains = True
            return weights(*args)

        def silenced(given: Mapping[str, Any], pool_size: int) -> Any:
            nonlocal trains
            x = network_input(given, pool_size)
            if not trains:
                return x
            trains = False
            # another pattern for each batch, as batches hold other windows in each epoch
            seed = jax.lax.bitcast_convert_type(jnp.sum(x, dtype=jnp.float32), jnp.int32)
            kept = jax.random.bernoulli(jax.random.key(seed), 1 - self.dropout, x.shape)
            return jnp.where(kept, x / (1 - self.dropout), 0.0)

        jax_engine.pooled_weights, jax_engine.network_input = noted, silenced


TRIALS: Mapping[str, Trial] = {
    "lower layers slower": Trial(rate_below=0.5),
    "weak pull": Trial(pull=0.001),
    "strong pull": Trial(pull=0.01),
    "label smoothing": Trial(smoothing=0.05),
    "dropout": Trial(dropout=0.2),
}
"""By the names that the recipes of evidence_plan.py have."""


if __name__ == "__main__":
    select_backend("jax")
    where = sys.argv.index(OPTION)
    TRIALS[sys.argv[where + 1]].apply()
    del sys.argv[where : where + 2]
    program()

"""A recurrence that is wrong the way a real one was: backward states reversed in time."""

from keras import ops

from helixer_ft.network import keras_layers


def break_recurrence(monkeypatch) -> None:
    """From here on, whatever computes."""
    right = keras_layers.BidirectionalLSTM.call

    def wrong(self, inputs):
        states, units = right(self, inputs), self.forward.units
        backward = ops.flip(states[..., units:], axis=1)
        return ops.concatenate([states[..., :units], backward], axis=-1)

    monkeypatch.setattr(keras_layers.BidirectionalLSTM, "call", wrong)

"""Options of layers that Helixer never changes."""

from typing import Any

FIXED_OPTIONS: dict[str, dict[str, Any]] = {
    "Conv1D": {
        "strides": [1],
        "padding": "same",
        "data_format": "channels_last",
        "dilation_rate": [1],
        "groups": 1,
        "activation": "relu",
        "use_bias": True,
    },
    "BatchNormalization": {"center": True, "scale": True},
    "LSTM": {
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": True,
        "return_sequences": True,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "time_major": False,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
    },
    "Bidirectional": {"merge_mode": "concat"},
    "Dropout": {"noise_shape": None},
    "Dense": {"use_bias": True},
}
"""Options that change what a layer computes, and the only value Helixer gives them."""
NEVER_LEFT_OUT = {("Conv1D", "padding"), ("Conv1D", "activation"), ("LSTM", "return_sequences")}
"""Those that mean another value where they are left out."""

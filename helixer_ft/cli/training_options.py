"""Options that `whole`, `freeze` and `compare` share; defaults come from the settings of the
library.
"""

from functools import partial

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.hybridmodel import training_words
from helixer_ft.cli.types import WeightList
from helixer_ft.settings import TrainingOptions

_setting = partial(kinds.setting, TrainingOptions)

data_options = kinds.in_order(
    [
        kinds.path(
            "-d --data-dir",
            "Folder; every training_data*h5 and validation_data*h5 in it is used.",
            "DIR",
            required=True,
        ),
        kinds.path(
            "-t --test-data",
            "Held-out labelled data (repeatable): the verdict is based on them.",
            multiple=True,
        ),
        kinds.flag(
            "--mix-label-sources",
            "Allow training and validation data of which some labels come from an annotation, and "
            "some are predictions.",
        ),
    ]
)
"""What is trained and scored on."""

setting_options = kinds.in_order(
    [
        _setting(
            "recipe",
            "How training proceeds. default: a warm-up and a falling learning rate, averaged "
            "weights, windows shifted by up to 8 bases in each epoch, and what is auto chosen from "
            "the amount of training data. helixer: as the original does, with its numbers where "
            "auto.",
        ),
        _setting("epochs", "Upper bound; --patience ends a run earlier.", "-e"),
        _setting("batch_size", "Subsequences per training step, on all devices together.", "-b"),
        _setting(
            "val_test_batch_size",
            "Subsequences per scoring step; never changes a result. auto: as many as fit into the "
            "memory of the device, on processors at most 8 (32 for a head alone).",
        ),
        _setting("accumulate", "Gradients of N batches per update, for small GPUs."),
        _setting("learning_rate", "Learning rate of the optimiser, at its highest."),
        _setting(
            "check_every_nth_batch",
            "Validate and checkpoint also after every N training batches of an epoch, besides its "
            "end.",
        ),
        _setting(
            "patience",
            "Checks in a row without improvement before stopping, counted from the first check "
            "with genic F1 > 0.",
        ),
        _setting("optimizer", "AdamW, or Adam (no weight decay)."),
        _setting("weight_decay", "Fraction by which each weight shrinks per update (AdamW)."),
        _setting("clip_norm", "Largest gradient norm of a variable."),
        _setting(
            "class_weights",
            "Loss weights of intergenic, UTR, CDS, intron; none turns them off.",
            type=WeightList(4),
        ),
        _setting(
            "transition_weights",
            "Loss weights where transcript, CDS, intron begin and end; none turns them off.",
            type=WeightList(6),
        ),
        _setting("save_every_check", "Keep the model of every check."),
        _setting(
            "precision",
            "Numerical precision; weights, loss and the saved model stay in "
            "float32. The mixed ones are for GPUs.",
        ),
        _setting("seed", "Random seed."),
        kinds.path(
            "--batchnorm-from",
            "Start from a model with the batch-norm statistics of this genome (FASTA), data file "
            "or folder of data, as helixer-ft adapt makes it.",
            "PATH",
        ),
        shared.batchnorm_mix_option(
            "auto: the one that scores best on the validation data before training, with the "
            "model's own head; the model stays as it is unless the gain is clear.",
            "With --batchnorm-from: ",
        ),
        shared.resume_option,
        shared.checkpoint_option,
        kinds.path(
            "--cache-dir",
            "Keep the decoded data (and freeze: the output of the body) on disk there, not in "
            "memory.  [default: memory where it fits, else $SLURM_TMPDIR, $TMPDIR or the folder of "
            "the run]",
            "DIR",
        ),
        kinds.flag("--keep-cache", "Leave these files for later runs on the same data (and body)."),
        kinds.flag("--dry-run", "Check everything, say what would train, stop before training."),
        shared.computing_options,
        shared.processes_options,
    ]
)
"""How it is trained, and on which devices."""

training_options = kinds.in_order(
    [
        shared.load_model_option(),
        data_options,
        kinds.path(
            "-s --save-model-path",
            "This run's best check by genic F1 on the validation data; the folder of the same name "
            "(best_model.run) has report.html, history.csv and config.toml.",
            default="best_model.h5",
        ),
        setting_options,
        shared.config_option("Options of an earlier run: its config.toml"),
        shared.output_options(
            verbose="Layer table and confusion matrices too.",
            force="Overwrite the output of an earlier run.",
        ),
        training_words,
    ]
)
"""The options of `whole` and `freeze`, in their order."""

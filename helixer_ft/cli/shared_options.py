"""Options that several commands share, each with its text once."""

from typing import Any

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.config_file import load_config
from helixer_ft.cli.option_kinds import Decorator, in_order
from helixer_ft.cli.types import LINEAGE_HELP, ModelPath, OrAuto
from helixer_ft.formats.coverage_names import NORMALIZATIONS
from helixer_ft.settings import PRECISIONS, TrainingOptions


def load_model_option(remark: str = "", rest: str = "", **kwargs: Any) -> Decorator:
    """`-l`; `remark` follows what the model is, `rest` the whole text."""
    text = f"Trained Helixer model (.h5){remark}, {LINEAGE_HELP}.{rest}"
    return kinds.path("-l --load-model-path", text, type=ModelPath(), required=True, **kwargs)


resume_option = kinds.flag(
    "--resume",
    "Resume an interrupted run of the same command, with the same result; if there is none, start "
    "a new run.",
)

checkpoint_option = kinds.setting(
    TrainingOptions,
    "checkpoint_minutes",
    "Write a checkpoint for --resume at least this often.",
)


def overlap_options(default: bool, overlap_help: str, condition: str = "") -> Decorator:
    """`--overlap`, and `--overlap-offset` and `--core-length`, whose texts `condition` opens."""

    def text(words: str) -> str:
        return f"{condition}{words}" if condition else words[0].upper() + words[1:]

    return in_order([
        kinds.option("--overlap/--no-overlap", overlap_help, default=default),
        kinds.integer(
            "--overlap-offset",
            text(
                "bases from one window to the next; a divisor of the subsequence length.  "
                "[default: half the subsequence length]"
            ),
        ),
        kinds.integer(
            "--core-length",
            text(
                "bases in the middle of a window that count.  [default: 3/4 of the subsequence "
                "length]"
            ),
        ),
    ])  # fmt: skip


windows_at_once = kinds.option(
    "--val-test-batch-size",
    "Windows at once; never changes a result. auto: as many as fit into the memory that "
    "this job may use.",
    type=OrAuto(int),
    default="auto",
    callback=lambda _context, _option, size: None if size == "auto" else size,
)
"""`--val-test-batch-size` of commands that do not train; `auto` is None."""


def coverage_prefix_option(rest: str) -> Decorator:
    """`--coverage-prefix` of data that are read; `rest` ends the sentence."""
    text = f"Use the datasets TEXT_coverage and TEXT_spliced_coverage{rest}"
    return kinds.option("--coverage-prefix", text, metavar="TEXT")


def coverage_norm_option(text: str) -> Decorator:
    """`--coverage-norm`."""
    return kinds.choice("--coverage-norm", text, NORMALIZATIONS)


def batchnorm_mix_option(auto: str, condition: str = "") -> Decorator:
    """`--batchnorm-mix`; `auto` says how that chooses, `condition` opens the text."""
    share = "hare of the genome's batch-norm statistics: 0 keeps the model's, 1 takes the genome's"
    text = f"{condition}{'s' if condition else 'S'}{share}. {auto}"
    return kinds.option("--batchnorm-mix", text, type=OrAuto(float), default="auto")


def precision_option(default: str) -> Decorator:
    """`--precision` of a command that does not train."""
    text = "Numerical precision. The mixed ones are for GPUs; LSTMs stay in float32."
    return kinds.choice("--precision", text, PRECISIONS, default=default)


backend_option = kinds.choice(
    "--backend",
    "Keras backend. auto: KERAS_BACKEND if set, else the one that sees an accelerator, "
    "else JAX where installed, else TensorFlow.",
    ["auto", "tensorflow", "jax"],
    default="auto",
)

require_gpu_option = kinds.flag(
    "--require-gpu",
    "Exit with status 2 and the reason if no GPU is visible, rather than compute on the CPU.",
)

computing_options = in_order([
    backend_option,
    require_gpu_option,
    kinds.flag(
        "--skip-device-check",
        "Skip the comparison of a GPU with the CPU, made once per machine, driver and set of "
        "versions; the results record that it was skipped.",
    ),
    kinds.flag(
        "--deterministic",
        "Bit-identical results on a GPU too, at some cost in speed; on the CPU they always are.",
    ),
])  # fmt: skip
"""`--backend`, `--require-gpu`, `--skip-device-check` and `--deterministic`."""

processes_options = in_order([
    kinds.option(
        "--coordinator",
        "Several processes as one run, on JAX: the machine of process 0, and a free port on it; "
        "the same for all.  [default: from SLURM's variables under srun]",
        metavar="HOST:PORT",
    ),
    kinds.integer("--num-processes", "How many processes there are."),
    kinds.integer(
        "--process-id", "Which of them this one is; 0 prints and writes.", metavar="I"
    ),
])  # fmt: skip
"""Which of several processes this one is."""


def threads_option(what: str = "") -> Decorator:
    """`--threads`; `what` says what they do."""
    text = f"{what}; never changes a result." if what else "Never changes a result."
    return kinds.integer("--threads", f"{text}  [default: one per processor]")


def config_option(text: str) -> Decorator:
    """`--config`."""
    return kinds.path(
        "--config",
        f"{text}; the command line overrides it.",
        is_eager=True,
        expose_value=False,
        callback=load_config,
    )


options_file = config_option("Options of this command in a TOML file, with _ for - in their names")
"""`--config` of a command that writes no such file itself."""


def output_options(
    *,
    outcome: str = "the outcome",
    quiet: bool = True,
    verbose: str | None = None,
    force: str | None = None,
) -> Decorator:
    """`--json`, `-q`, `-v`, `--debug` and `--force`: what a command prints and may overwrite.

    Parameters
    ----------
    outcome
        What `--json` prints.
    quiet
        Whether there is `-q`.
    verbose, force
        Texts of these; None: the command does not have it.
    """
    texts = {
        "--json as_json": f"Print {outcome} as JSON.",
        "-q --quiet": "Results, warnings and errors only." if quiet else None,
        "-v --verbose": verbose,
        "--debug": "Show the traceback of an error.",
        "--force": force,
    }
    return in_order([kinds.flag(names, text) for names, text in texts.items() if text])

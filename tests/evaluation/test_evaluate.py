"""Scores of real networks: against plain loops, Helixer's own figures, and each other."""

import json
import tracemalloc

import h5py
import numpy as np
import pytest
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft import metrics
from helixer_ft.dataset.batch import scored_bases
from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.engine import engine_class
from helixer_ft.errors import InputError
from helixer_ft.evaluation import scoring
from helixer_ft.evaluation.calibration import CURVES
from helixer_ft.evaluation.evaluate import evaluate
from helixer_ft.evaluation.outcome import Evaluation
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.evaluation.transitions import DISTANCES, KINDS
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference.predict import predict
from helixer_ft.inference.request import PredictRequest
from helixer_ft.metrics import f1_scores, paired_bootstrap
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from helixer_ft.progress import Progress
from helixer_ft.training.scoring import score_dataset
from tests.data_files import write_data_file
from tests.evaluation.slow_evaluation import SlowEvaluation
from tests.plans import plan_freeze

pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.fixture
def save(tmp_path):
    """Writes a tiny model and gives its path."""

    def write(name: str, **options):
        path = tmp_path / f"{name}.h5"
        write_model_file(path, tiny_model(**options).to_file({}))
        return path

    return write


def run(models, data, **options) -> Evaluation:
    options = {"val_test_batch_size": 4} | options
    return evaluate(EvaluateRequest(tuple(models), tuple(data), **options))


def matrices(evaluation: Evaluation) -> list[np.ndarray]:
    return [model.tally.confusion for model in evaluation.overall.models]


@pytest.mark.parametrize("length", [90, 94])
def test_everything_against_plain_loops(save, tmp_path, length):
    """94 is not a multiple of 9: the last bases are not predicted; minus rows begin elsewhere."""
    path = tmp_path / "data.h5"
    write_data_file(path, random_rows(4, length=length, masked=4))
    model = save("model")
    slow = SlowEvaluation(load_model(model), path)
    (found,) = run([model], [path]).overall.models
    assert found.tally.confusion.sum() > 300
    for code, expected in enumerate((slow.genic, slow.phase)):
        for (truth, predicted), n in np.ndenumerate(found.tally.confusion[code]):
            assert n == expected[truth, predicted]
    for (k, d, truth, predicted), n in np.ndenumerate(found.tally.transitions):
        assert n == slow.near[KINDS[k], DISTANCES[d], truth, predicted]
    for c, curve in enumerate(CURVES):
        for i, (bases, predicted, right) in enumerate(found.tally.calibration[c]):
            pairs = slow.bins.get((curve, i), [])
            assert (bases, right) == (len(pairs), sum(r for _, r in pairs))
            assert predicted == pytest.approx(sum(p for p, _ in pairs), abs=1e-4)
        assert found.calibration_errors[curve] == pytest.approx(slow.calibration_error(curve))
    bases, accuracies, _ = found.near_transitions
    assert (bases.sum(axis=1) == found.tally.confusion[0].sum()).all()
    near = {key[2:]: n for key, n in slow.near.items() if key[:2] == ("donor", "0-5")}
    right = sum(n for (truth, predicted), n in near.items() if truth == predicted)
    assert accuracies[KINDS.index("donor"), 0] == pytest.approx(right / sum(near.values()))


def test_models_side_by_side(save, test_path):
    first, other = save("first"), save("other", seed=5)
    found = run([first, other, first], [test_path]).overall
    assert found.blocks == 25
    assert found.models[0].differences == {}
    engine_scores = []
    for path in (first, other):
        model = load_model(path)
        dataset = open_dataset([test_path], pool_size=9, phase=True, transitions=False)
        scored = score_dataset(
            engine_class()(model.architecture, model.weights), dataset, 10, Progress(), ""
        )
        engine_scores.append(scored.counts)
    assert found.models[1].differences == paired_bootstrap(*engine_scores, dataset.regions)
    assert found.models[1].differences["genic"].difference != 0
    names = {*found.models[0].confusion.genic, *found.models[0].confusion.phase}
    assert set(found.models[1].differences) == names
    for name, difference in found.models[1].differences.items():
        before, after = ((m.confusion.genic | m.confusion.phase)[name].f1 for m in found.models[:2])
        assert difference.difference == pytest.approx(after - before)
        assert difference.low <= difference.difference <= difference.high
    # the same model again differs in nothing
    assert {(d.difference, d.low, d.high) for d in found.models[2].differences.values()} == {
        (0, 0, 0)
    }


def test_files_and_species(save, tmp_path):
    one, other = random_rows(3, seed=1), random_rows(4, seed=2, seqid="chr2")
    other["species"][5:] = b"second"
    for name, rows in (("a", one), ("b", other)):
        write_data_file(tmp_path / f"{name}.h5", rows)
    models = [save("first"), save("other", seed=5)]
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    found = run(models, paths)
    assert [part.name for part in found.files] == [str(path) for path in paths]
    assert [part.name for part in found.species] == ["second", "sim"]
    assert found.rows == 14
    for i in range(2):
        for parts in (found.files, found.species):
            for kind in ("confusion", "transitions", "calibration"):
                parted = sum(getattr(part.models[i].tally, kind) for part in parts)
                assert parted == pytest.approx(getattr(found.overall.models[i].tally, kind))
    for part, path in zip(found.files, paths, strict=True):
        alone = run(models, [path]).overall
        assert part.blocks == alone.blocks
        for mine, theirs in zip(part.models, alone.models, strict=True):
            assert np.array_equal(mine.tally.confusion, theirs.tally.confusion)
            assert mine.differences == theirs.differences


def test_all_rows_count(save, tmp_path):
    rows = random_rows(3)
    rows["is_annotated"][:] = False
    rows["y"][:] = (1, 0, 0, 0)
    write_data_file(tmp_path / "d.h5", rows)
    (matrix,) = matrices(run([save("model")], [tmp_path / "d.h5"]))
    assert matrix[0, 0].sum() > 300
    assert matrix[0, 1:].sum() == 0


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("size", [1, 7, 100, None])
def test_batch_size_changes_nothing(save, test_path, overlap, size):
    model = save("model")
    expected = run([model], [test_path], overlap=overlap).overall.models[0].tally
    found = run([model], [test_path], overlap=overlap, val_test_batch_size=size)
    tally = found.overall.models[0].tally
    assert np.array_equal(tally.confusion, expected.confusion)
    assert np.array_equal(tally.transitions, expected.transitions)
    assert tally.calibration == pytest.approx(expected.calibration, abs=1e-3)


def test_overlap_scores_what_predict_writes(save, tmp_path):
    data, model = tmp_path / "data.h5", save("model")
    write_data_file(data, random_rows(8))
    options = {"overlap_offset": 30, "core_length": 60}
    predict(
        PredictRequest(model, tmp_path / "p.h5", test_data=data, val_test_batch_size=4, **options)
    )
    with h5py.File(tmp_path / "p.h5") as file, h5py.File(data) as labels:
        predicted = file["predictions"][()].argmax(-1)
        truth = labels["data/y"][()].argmax(-1)
        valid = labels["data/sample_weights"][()]
        assert labels["data/start_ends"][8].tolist() == [690, 630]
    valid[8] = np.roll(valid[8], 30)  # padded, on the minus strand: its steps begin in the padding
    steps = np.repeat(valid.reshape(16, 10, 9).all(-1), 9, axis=1)
    steps[8] = np.roll(steps[8], -30)
    expected = np.zeros((4, 4), int)
    np.add.at(expected, (truth[steps], predicted[steps]), 1)
    (found,) = matrices(run([model], [data], overlap=True, **options))
    assert found[0].sum() == expected.sum()
    assert np.abs(found[0] - expected).sum() <= 20  # the file has 16 bits
    (plain,) = matrices(run([model], [data]))
    assert np.abs(found[0] - plain[0]).sum() > 40


def test_windows_that_do_not_overlap_are_those_of_no_overlap(save, test_path):
    models = [save("model")]
    plain = run(models, [test_path])
    same = run(models, [test_path], overlap=True, overlap_offset=90, core_length=90)
    assert np.array_equal(matrices(plain), matrices(same))


def test_a_model_without_phase_beside_one_with(save, test_path):
    with_phase, without = save("with"), save("without", phase=False)
    for models in ([with_phase, without], [without, with_phase]):
        found = run(models, [test_path]).overall.models
        assert [len(model.accuracies) for model in found] == [
            2 if path == with_phase else 1 for path in models
        ]
        assert set(found[1].differences) == set(f1_scores(np.zeros((4, 4))))
    alone = run([with_phase], [test_path]).overall.models[0]
    assert np.array_equal(found[1].tally.confusion, alone.tally.confusion)


def test_models_of_different_pool_sizes_are_scored_on_the_same_bases(save, tmp_path):
    data = tmp_path / "data.h5"
    write_data_file(data, random_rows(6, masked=3))
    nine, seven = save("nine"), save("seven", pool=7)

    class Notices(Progress):
        texts: tuple[str, ...] = ()

        def notice(self, text: str) -> None:
            self.texts += (text,)

    progress = Notices()
    request = EvaluateRequest((nine, seven), (data,), val_test_batch_size=4)
    both = matrices(evaluate(request, progress))
    assert np.array_equal(both[0].sum(axis=2), both[1].sum(axis=2))
    assert both[0].sum() > 0
    for path, of_both in zip((nine, seven), both, strict=True):
        (alone,) = matrices(run([path], [data]))
        assert (alone.sum(axis=2) >= of_both.sum(axis=2)).all()
        assert alone.sum() > of_both.sum()
    assert any("the models pool 7, 9 bases" in text for text in progress.texts)


def test_scored_bases():
    labels = np.full((2, 12), 64, np.uint8)
    labels[0, 4] = 0
    labels[1, 11] = 0
    assert scored_bases(labels, [5]).sum(axis=1).tolist() == [5, 10]
    assert np.flatnonzero(scored_bases(labels, [5, 3])[0]).tolist() == [6, 7, 8, 9]


def test_coverage(save, tmp_path, test_path):
    """Models with coverage of either normalisation, and one without, on the same file."""
    add_coverage(test_path, "leaf")
    base = save("base")
    paths = [base]
    for norm in ("log", "linear"):
        coverage = CoverageInput("rnaseq", norm, (Track("leaf"),))
        plan = plan_freeze(load_model(base), coverage=coverage)
        paths.append(tmp_path / f"{norm}.h5")
        write_model_file(paths[-1], plan.model.to_file({}))
    found = matrices(run(paths, [test_path]))
    model = load_model(paths[1])
    dataset = open_dataset(
        [test_path], pool_size=9, phase=True, transitions=False, coverage_prefix="rnaseq"
    ).with_coverage(model.coverage)
    engine = engine_class()(model.architecture, model.weights)
    expected = score_dataset(engine, dataset, 10, Progress(), "")
    assert np.array_equal(found[1], [expected.genic_matrix, expected.phase_matrix])
    assert np.array_equal(found[0], matrices(run([base], [test_path]))[0])
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[1], found[2])
    averaged = run(paths[1:2], [test_path], overlap=True, overlap_offset=90, core_length=90)
    assert np.array_equal(matrices(averaged)[0], found[1])
    chosen = run(paths[1:2], [test_path], val_test_batch_size=None)
    assert np.array_equal(matrices(chosen)[0], found[1])


@pytest.mark.parametrize("overlap", [False, True])
def test_memory_does_not_grow_with_the_data(save, tmp_path, monkeypatch, overlap):
    """140 rows more, each of 29 kB of probabilities, take less than a tenth of that."""

    def network(*_):
        values = np.random.default_rng(0).dirichlet([1] * 4, (1, 2, 900)).astype(np.float32)
        return lambda batch: np.repeat(values, len(batch), axis=0)

    monkeypatch.setattr(scoring, "prediction_function", network)
    monkeypatch.setattr(metrics, "_DRAWN_AT_ONCE", 4000)
    model = save("model")
    peaks = {}
    for n in (30, 100):
        path = tmp_path / f"{n}.h5"
        write_data_file(path, random_rows(n, length=900))
        tracemalloc.start()
        run([model], [path], overlap=overlap)
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[100] - peaks[30] < 0.1 * 140 * 2 * 900 * 4 * 4


@pytest.mark.parametrize(
    ("data", "overlap", "oracle"),
    [
        ("athaliana/validation_data.h5", False, "small_eval_athaliana_val"),
        pytest.param(
            "athaliana/validation_data.h5",
            True,
            "small_eval_overlap_athaliana_val",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "spombe/test_data.h5", False, "small_eval_spombe_test", marks=pytest.mark.slow
        ),
    ],
)
def test_helixers_own_figures(shared, data, overlap, oracle):
    """All but one base in a million, and every score to the digits that Helixer prints."""
    expected = json.loads((shared / "oracles" / f"{oracle}.json").read_text())
    request = EvaluateRequest(
        (shared / "models/small.h5",),
        (shared / "train" / data,),
        overlap=overlap,
        val_test_batch_size=6,
    )
    (found,) = evaluate(request).overall.models
    for ours, name in zip(found.tally.confusion, ("genic", "phase"), strict=True):
        theirs = np.array(expected[f"{name}_confusion_matrix"])
        assert ours.sum() == theirs.sum()
        assert np.abs(ours - theirs).sum() / 2 <= max(1, theirs.sum() / 1e6)
    names = {"ig": "intergenic", "utr": "UTR", "exon": "CDS", "no_phase": "none"}
    names |= {f"phase_{i}": f"phase {i}" for i in range(3)}
    scores = found.confusion.genic | found.confusion.phase
    for theirs, values in expected["scores"].items():
        if not theirs.endswith("_ref"):
            ours = scores[names.get(theirs, theirs)]
            assert (ours.precision, ours.recall, ours.f1) == pytest.approx(
                (values["precision"], values["recall"], values["f1"]), abs=6e-5
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"load_model_paths": ()}, "there is no --load-model-path"),
        ({"test_data": ()}, "there is no --test-data"),
    ],
)
def test_nothing_to_score(tmp_path, options, message):
    given = {"load_model_paths": (tmp_path / "m.h5",), "test_data": (tmp_path / "d.h5",)} | options
    with pytest.raises(InputError, match=message):
        EvaluateRequest(**given)

"""What the pages say of files and messages is what the code does."""

import csv
import importlib.util
import json
import re
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.doctor.comparison import Comparison
from helixer_ft.doctor.diagnosis import Diagnosis
from helixer_ft.doctor.disk import FolderSpeed
from helixer_ft.doctor.exchange import Exchange
from helixer_ft.doctor.facts import Facts
from helixer_ft.doctor.speed import Speed, StepTime
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.strategies import Freeze
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.batch_size import BatchAdvice
from helixer_ft.runtime.devices import GpuState
from helixer_ft.runtime.hardware import Hardware
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.estimate import Estimate
from helixer_ft.training.request import FineTuneRequest
from tests.data_files import write_data_file
from tests.docs.pages import PAGES, ROOT, page_name, without_code_blocks

FORMATS = ROOT / "docs/formats.md"


def code_words(text: str) -> set[str]:
    """Everything a page sets in backticks, code blocks aside."""
    return set(re.findall(r"`([^`\n]+)`", without_code_blocks(text)))


def section(title: str) -> str:
    """The part of formats.md below a heading, up to the next one."""
    text = FORMATS.read_text(encoding="utf-8")
    return re.split(r"^##+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Path:
    """A folder in which a model that helixer-ft wrote was tuned again: head.h5."""
    folder = tmp_path_factory.mktemp("run")
    write_model_file(folder / "base.h5", tiny_model().to_file({"version": "0"}))
    (folder / "data").mkdir()
    for name, seqid in (("training", "chr1"), ("validation", "chr2"), ("test", "chr3")):
        rows = random_rows(4, seed=int(seqid[-1]), seqid=seqid)
        write_data_file(folder / "data" / f"{name}_data.h5", rows)
        add_coverage(folder / "data" / f"{name}_data.h5", "leaf")
    command = "freeze -l base.h5 -d data -t data/test_data.h5 -s head.h5 --json -e 1 -b 4"
    command += " --post-coverage-hidden-layer --hidden-units 5"
    command += " --input-coverage --check-every-nth-batch 1 --save-every-check"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 0, done.stderr
    (folder / "head.json").write_text(done.stdout)
    return folder


ADAPTED = {
    *("batchnorm", "batchnorm_original", "adapted_model", "adapted_model_sha256"),
    *("adapt_versions", "adapt_command_line"),
}
"""Attributes of adapted models, without the prefix."""


def test_every_attribute_of_a_written_model_is_documented(tuned):
    with h5py.File(tuned / "head.h5") as file:
        written = {name for name in file.attrs if name.startswith("helixer_ft_")}
        others = set(file.attrs) - written
        versions = json.loads(file.attrs["helixer_ft_versions"])
    documented = {
        word for word in code_words(section("Provenance")) if word.startswith("helixer_ft_")
    }
    others_have = {
        f"helixer_ft_{name}" for name in ("device_check", "tuning_share", "label_sources", *ADAPTED)
    }
    assert written | others_have == documented
    assert others == {"model_config", "keras_version", "backend"}
    assert others | set(versions) <= code_words(FORMATS.read_text(encoding="utf-8"))


def test_every_column_of_the_history_is_documented(tuned):
    with open(tuned / "head.run/history.csv", newline="") as file:
        columns = next(csv.reader(file))
    table = re.findall(r"^\| (`.*?) \|", section("`history.csv`"), re.M)
    assert re.findall(r"`(\w+)`", " ".join(table)) == columns


def test_configuration_is_documented(tuned):
    values = tomllib.loads((tuned / "head.run/config.toml").read_text())
    words = code_words(section("`config.toml`"))
    assert {"hidden_units", "check_every_nth_batch"} <= words & set(values)
    assert {"backend", "deterministic"} <= set(values)
    paths = Path("a.h5"), Path("data"), Path("b.h5")
    default = FineTuneRequest(Freeze(), *paths, settings=TrainingSettings()).options()
    assert not {"hidden_units", "check_every_nth_batch"} & set(default)
    assert Path(values["load_model_path"]).is_absolute()


def test_run_folder_is_documented(tuned):
    names = {
        re.sub(r"check_\d{4}_epoch_\d_batch_\d", "check_NNNN_epoch_E_batch_B", str(path))
        for path in (
            path.relative_to(tuned / "head.run")
            for path in (tuned / "head.run").rglob("*")
            if path.is_file()
        )
    }
    assert names == code_words(section("The run folder")) & {
        *names,
        "config.toml",
        "history.csv",
    }


def test_every_key_of_the_json_output_is_documented(tuned):
    outcome = json.loads((tuned / "head.json").read_text())
    table = re.findall(r"^\| (`.*?) \|", section("`--json`"), re.M)
    assert set(re.findall(r"`(\w+)`", " ".join(table))) == set(outcome)
    words = code_words(section("`--json`"))

    def keys(value: object) -> set[str]:
        if not isinstance(value, dict):
            return set()
        return set(value).union(*(keys(item) for item in value.values()))

    assert keys({k: v for k, v in outcome.items() if k not in ("versions", "hardware")}) <= words
    assert set(outcome["hardware"]) <= code_words(section("Provenance"))


def test_every_key_of_an_estimate_is_documented():
    table = re.findall(r"^\| `(\w+)` \|", section("`--dry-run --json`"), re.M)
    assert table == [field.name for field in fields(Estimate)]


def test_every_key_of_a_diagnosis_is_documented():
    gpu = GpuState("a GPU", memory=2, free=1, mig=False)
    found = Diagnosis(
        facts=Facts({}, Hardware("a CPU", 1, 1, ()), "", (), (gpu,), {}),
        backend=Backend("jax", "chosen"),
        comparisons=(Comparison("CPU", "float32", "states", 0.0, 1e-5),),
        speed=Speed(
            90,
            90,
            (StepTime(1, 0.1, 0.1, 1.0),),
            1,
            1,
            1,
            advice=BatchAdvice(64, 1e-3),
            to_device=1.0,
        ),
        exchange=Exchange(2, 1, "Gloo", 0.1, correct=True),
        cache=FolderSpeed(Path()),
        others_agree=True,
        seconds=1.0,
    )
    text = section("`doctor --json`")
    table = re.findall(r"^\| (`.*?) \|", text, re.M)
    assert re.findall(r"`(\w+)`", " ".join(table)) == list(found.to_dict())

    def keys(value: object) -> set[str]:
        if isinstance(value, list | tuple):
            return set().union(*map(keys, value))
        return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()

    assert keys(found.to_dict()) <= code_words(text)


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and the site make them."""
    lines = re.findall(r"^#+ (.*)$", without_code_blocks(page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    text = without_code_blocks(page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert not anchor or anchor in headings(path), f"{target}#{anchor}"


FOLDERS = (ROOT, ROOT / "helixer_ft", ROOT / "docs")
"""What the paths that pages name begin from, but for the folder of the page itself."""


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("tests/**/*.md"))], ids=page_name)
def test_files_and_modules_that_are_named_exist(page):
    """Of the repository; `NAME` stands for one that the reader makes."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"(?<![\w./{-])[\w.-]+(?:/[\w.-]+)+\.(?:py|sh|svg|png|def)\b", text):
        there = any((folder / name).exists() for folder in (*FOLDERS, page.parent))
        assert there or "NAME" in name, name
    for name in re.findall(r"(?:from|import|python -m) (helixer_ft(?:\.\w+)*)", text):
        assert importlib.util.find_spec(name), name


@pytest.mark.parametrize("script", sorted(ROOT.glob("docs/slurm/*.sh")), ids=lambda p: p.name)
def test_slurm_script_is_valid_bash(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "set -euo pipefail" in script.read_text()


def test_every_page_is_listed_in_the_index():
    """For readers, and for the site, which warns of pages that no table of contents has."""
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    toctrees = re.findall(r"^```{toctree}\n(?::[^\n]*\n)+\n(.*?)^```", text, re.M | re.S)
    listed = [name for toctree in toctrees for name in toctree.split()]
    pages = {
        path.relative_to(ROOT / "docs") for path in PAGES if path.is_relative_to(ROOT / "docs")
    }
    written = {str(path.with_suffix("")) for path in pages} - {"index", "README"}
    assert sorted(listed) == sorted(written)
    links = re.findall(r"\]\(([^)#:]+)\.md\)", text)
    included = {f"../{name}": name.lower() for name in ("training", "CHANGELOG", "CONTRIBUTING")}
    assert {included.get(link, link) for link in links} == written

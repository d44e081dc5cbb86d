"""Models by lineage name, in Helixer's download folder."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.errors import InputError
from helixer_ft.formats.released_models import (
    BEST_RELEASED,
    LINEAGES,
    find_released,
    model_folder,
)

LIST = """\
# this list is checked
lineage,priority,download_link,model,model_file_name
land_plant,1100,https://x/1,m,land_plant_v0.3_m_0100.h5
land_plant,80,https://x/2,m,land_plant_v0.3_a_0080.h5
land_plant,90,https://x/3,m,land_plant_v0.3_a_0090.h5
vertebrate,80,https://x/4,m,vertebrate_v0.3_m_0080.h5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    folder = tmp_path / "share" / "Helixer" / "models"
    folder.mkdir(parents=True)
    assert model_folder() == folder
    return folder


def downloaded(folder: Path, *names: str) -> None:
    for name in names:
        lineage = name.split("_v")[0]
        (folder / lineage).mkdir(exist_ok=True)
        (folder / lineage / name).touch()


def test_the_list_decides(folder):
    downloaded(
        folder,
        "land_plant_v0.3_m_0100.h5",
        "land_plant_v0.3_a_0090.h5",
        "land_plant_v9.9_a_0001.h5",
    )
    (folder / "model_list.csv").write_text(LIST)
    assert find_released("land_plant").name == "land_plant_v0.3_a_0090.h5"
    downloaded(folder, "land_plant_v0.3_a_0080.h5")
    assert find_released("land_plant") == folder / "land_plant" / "land_plant_v0.3_a_0080.h5"


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", LIST.replace("80,", "x,"), "\0\n"])
def test_without_a_usable_list_version_and_number_decide(folder, content):
    if content is not None:
        (folder / "model_list.csv").write_text(content)
    downloaded(
        folder,
        "fungi_v0.3_a_0200.h5",
        "fungi_v0.3_m_0100.h5",
        "fungi_v0.3_a_0100.h5",
        "fungi_v0.2_a_0010.h5",
    )
    downloaded(folder, "fungi_vmine.h5")
    assert find_released("fungi").name == "fungi_v0.3_a_0100.h5"
    downloaded(folder, "fungi_v0.10_m_0400.h5")
    assert find_released("fungi").name == "fungi_v0.10_m_0400.h5"


@pytest.mark.parametrize("lineage", LINEAGES)
def test_none_there_says_how_to_get_it(folder, lineage):
    with pytest.raises(InputError) as caught:
        find_released(lineage)
    message = str(caught.value)
    assert f"in {folder / lineage}. " in message
    assert f"fetch_helixer_models.py --lineage {lineage}'" in message
    assert f"https://zenodo.org/records/10836346/files/{BEST_RELEASED[lineage]}'" in message


def test_folder_of_the_user(monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setattr("sys.platform", "linux")
    assert model_folder() == Path("/home/u/.local/share/Helixer/models")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # a user without a home
    assert model_folder() == Path("~/.local/share/Helixer/models")
    monkeypatch.undo()
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setattr("sys.platform", "darwin")
    assert model_folder() == Path("/home/u/Library/Application Support/Helixer/models")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["inspect", "fungi"], ["whole", "-l", "fungi", "-d", "."]),
        *(["freeze", "-l", "fungi", "-d", "."], ["predict", "-l", "fungi", "--fasta", "x.fa"]),
    ],
)
def test_every_command_says_that_none_is_there(folder, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "no released model of that lineage" in result.stderr


def test_commands_take_lineages(folder, model_path, data_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["freeze", "-l", "land_plant", "-d", str(data_dir), "--dry-run"]
    target = folder / "land_plant" / "land_plant_v0.3_a_0080.h5"
    target.parent.mkdir()
    shutil.copy(model_path, target)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"Note: model: {target}" in result.stderr
    inspected = CliRunner().invoke(main, ["inspect", "land_plant"])
    assert inspected.stdout.startswith(f"{target}: a trained model\n")


def test_a_file_of_that_name_wins(folder, model_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    downloaded(folder, "fungi_v0.3_a_0100.h5")
    shutil.copy(model_path, tmp_path / "fungi")
    result = CliRunner().invoke(main, ["inspect", "fungi"])
    assert result.stdout.startswith("fungi: a trained model\n")

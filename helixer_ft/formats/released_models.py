"""Released Helixer models by the name of their lineage, where Helixer's own download put them.

`fetch_helixer_models.py` writes `LINEAGE/LINEAGE_vVERSION_SET_NUMBER.h5` and `model_list.csv`; the
latter's column `priority` is lowest for the model that Helixer itself takes.
"""

import csv
import os
import re
import sys
from pathlib import Path

from helixer_ft.errors import InputError

BEST_RELEASED = {
    "fungi": "fungi_v0.3_a_0100.h5",
    "invertebrate": "invertebrate_v0.3_m_0100.h5",
    "land_plant": "land_plant_v0.3_a_0080.h5",
    "vertebrate": "vertebrate_v0.3_m_0080.h5",
}
"""Lineage -> its model of highest priority in Helixer 0.3.9's list."""
LINEAGES = tuple(BEST_RELEASED)
MODEL_LIST = "model_list.csv"
_DOWNLOAD = "https://zenodo.org/records/10836346/files"
_NAME = re.compile(r".+_v(\d+)\.(\d+)_([a-z])_(\d+)\.h5")


def model_folder() -> Path:
    """Helixer's download folder: `Helixer/models` in the user's data folder."""
    home = Path(os.path.expanduser("~"))  # unlike Path.home(), never fails
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return data / "Helixer" / "models"


def find_released(lineage: str) -> Path:
    """The newest downloaded model of a lineage: the one that Helixer would take.

    Without `model_list.csv`, or where it names none of the files, the highest version counts, then
    the lowest number (Helixer's numbers count down).

    Raises
    ------
    InputError
        None is there; the message says how to get it.
    """
    folder = model_folder() / lineage
    try:
        found = [path for path in folder.glob("*.h5") if path.is_file()]
    except OSError:
        found = []
    priorities = _priorities(model_folder() / MODEL_LIST)
    listed = [path for path in found if path.name in priorities]
    if listed:
        return min(listed, key=lambda path: (priorities[path.name], path.name))
    named = {path: match for path in found if (match := _NAME.fullmatch(path.name))}
    if named:
        return min(named, key=lambda path: _order(named[path]))
    best = BEST_RELEASED[lineage]
    raise InputError(
        f"{lineage}: there is no file of that name here, and no released model of that lineage in "
        f"{folder}. Download it with Helixer's 'fetch_helixer_models.py --lineage {lineage}', or "
        f'with \'mkdir -p "{folder}" && curl -L -o "{folder / best}" {_DOWNLOAD}/{best}\', or '
        "give the path of a model."
    )


def _priorities(path: Path) -> dict[str, int]:
    """File name -> priority; empty where the list is missing or is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = csv.DictReader(line for line in lines if line and not line.startswith("#"))
        return {row["model_file_name"]: int(row["priority"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def _order(match: re.Match[str]) -> tuple[int, int, int, str]:
    return -int(match[1]), -int(match[2]), int(match[4]), match[3]

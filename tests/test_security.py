"""What the code must not do with files from elsewhere, looked up in the code itself."""

import ast
from functools import cache
from pathlib import Path

import pytest

import helixer_ft

PACKAGE = Path(helixer_ft.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml",
    "runpy", "code", "xml",
}  # fmt: skip
"""That run what they read, or open what it names."""
CALLS = {
    "eval", "exec", "compile", "__import__", "np.load", "numpy.load", "os.system", "os.popen",
    "np.fromfile", "np.lib.format.read_array", "keras.models.load_model",
    "keras.saving.load_model", "keras.models.model_from_json", "keras.layers.deserialize",
    "keras.config.enable_unsafe_deserialization", "keras.layers.Lambda", "tempfile.mktemp",
}  # fmt: skip
OPENS_HDF5 = {
    "formats/hdf5.py", "formats/hdf5_walker.py",  # the readers, and what goes before them
    "formats/model_h5.py", "formats/predictions_h5.py", "formats/data_writer.py",
    "coverage/add.py", "formats/coverage_h5.py", "simulate/files.py",
    "formats/state_h5.py", "formats/journal.py", "formats/row_views.py",
}  # fmt: skip
"""Where `h5py.File` may be called; all but the first two write."""
IMPORTS_BY_NAME = {"cli/__init__.py": "helixer_ft.cli."}
"""Modules imported by a name that is put together, from a fixed list."""


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"


NODES = [(path, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))]


@cache
def calls() -> list[tuple[Path, ast.Call, str]]:
    """Every call, with the text of what is called."""
    return [
        (path, node, ast.unparse(node.func)) for path, node in NODES if isinstance(node, ast.Call)
    ]


def test_there_is_code_to_look_at():
    assert len(SOURCES) > 100
    assert any(name == "h5py.File" for _, _, name in calls())


def test_nothing_that_is_read_is_run():
    found = [f"{place(path, node)} {name}" for path, node, name in calls() if name in CALLS]
    for path, node in NODES:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [
            f"{place(path, node)} {name}" for name in names if name.partition(".")[0] in MODULES
        ]
    assert found == []


def test_no_module_is_imported_by_a_name_from_a_file():
    for path, node, name in calls():
        if name.endswith("import_module"):
            assert str(path.relative_to(PACKAGE)) in IMPORTS_BY_NAME, place(path, node)
            start = IMPORTS_BY_NAME[str(path.relative_to(PACKAGE))]
            assert ast.unparse(node.args[0])[2:].startswith(start), place(path, node)


def test_no_shell_is_asked():
    for path, node, name in calls():
        if name.startswith("subprocess."):
            assert not any(keyword.arg == "shell" for keyword in node.keywords), place(path, node)


def test_hdf5_files_are_read_in_one_place():
    """`open_hdf5` refuses what HDF5 does not survive; other calls of h5py.File write."""
    for path, node, name in calls():
        if name == "h5py.File":
            assert str(path.relative_to(PACKAGE)) in OPENS_HDF5, place(path, node)
            mode = ast.unparse(node.args[1]) if len(node.args) > 1 else "'r'"
            reads = str(path.relative_to(PACKAGE)) in ("formats/hdf5.py", "formats/hdf5_walker.py")
            assert reads or mode != "'r'", place(path, node)


def test_temporary_files_have_no_fixed_place_for_all():
    """By `tempfile`, private, or beside the output through `atomic`, private too."""
    for path, node, name in calls():
        text = ast.unparse(node)
        assert "'/tmp" not in text, place(path, node)
        if name.startswith("tempfile.") or name in ("TemporaryDirectory", "TemporaryFile"):
            assert name.rpartition(".")[2] in {
                "TemporaryFile", "TemporaryDirectory", "mkstemp", "mkdtemp", "gettempdir",
            }, place(path, node)  # fmt: skip


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/b", "..", "a\\b"])
def test_names_of_sequences_and_genes_make_no_path(tmp_path, name):
    from click.testing import CliRunner

    from helixer_ft.cli import main

    fasta, gff3 = tmp_path / "genome.fa", tmp_path / "genes.gff3"
    fasta.write_text(f">{name}\n{'ACGTTGCA' * 200}\n")
    line = f"{name}\tx\t{{}}\t1\t900\t.\t+\t{{}}\t{{}}\n"
    gff3.write_text(
        line.format("gene", ".", f"ID={name}") + line.format("CDS", 0, f"ID=c;Parent={name}")
    )
    out = tmp_path / "deep" / "below" / "out"
    options = ["--no-split", "--subsequence-length", "900", "--out-dir", str(out)]
    files = ["--fasta", str(fasta), "--gff3", str(gff3), "--species", "sim"]
    result = CliRunner().invoke(main, ["prepare", *files, *options])
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"sim.h5", "sim.masked.tsv", "prepare.json"}
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in made if out.relative_to(tmp_path) not in path.parents} == {
        Path("genome.fa"), Path("genes.gff3")
    }  # fmt: skip
    assert not Path("/etc/evil").exists()

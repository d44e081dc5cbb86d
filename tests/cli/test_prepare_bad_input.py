"""Wrong genomes, genes, sheets and options: one message, status 2, and nothing written."""

import gzip
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helixer_ft.cli import main
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET
from tests.cli.workplace import CommandFolder


class Workplace(CommandFolder):
    """A folder with a sound genome and its genes, and the command that prepares them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fasta = folder / "genome.fa"
        self.gff3 = folder / "genes.gff3"
        self.out = folder / "data"

    def run(self, *options: object) -> Result:
        """The command on these files; a later option overrides an earlier one."""
        arguments = [] if "--samples" in options else ["--fasta", self.fasta, "--gff3", self.gff3]
        arguments += ["--out-dir", self.out, "--subsequence-length", "900", *options]
        return CliRunner().invoke(main, ["prepare", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def sound() -> tuple[bytes, bytes]:
    genome = simulate(TARGET, 4, 12_000, seed=1)
    return to_fasta(genome), to_gff3(genome)


@pytest.fixture
def work(tmp_path, sound) -> Workplace:
    work = Workplace(tmp_path)
    work.fasta.write_bytes(sound[0])
    work.gff3.write_bytes(sound[1])
    return work


def test_the_files_are_sound(work):
    result = work.run()
    assert result.exit_code == 0, result.output
    assert (work.out / "training_data.h5").exists()


# -- the genome --------------------------------------------------------------------------------

GENOMES = {
    "missing": (None, ["no such file"]),
    "empty": (b"", ["is empty"]),
    "binary": (bytes(range(256)), ["binary"]),
    "text": (b"hello\n", ["begins with 'hello'"]),
    "cut gzip": (gzip.compress(b">chr01\n" + b"ACGT\n" * 20000)[:-9], ["damaged or truncated"]),
    "protein": (b">chr01\nMKLVEF*\n", ["not IUPAC nucleotide codes", "protein"]),
    "name twice": (b">chr01 a\nACGT\n>chr01 b\nACGT\n", ["'chr01' is not unique"]),
    "no bases": (b">chr01\n>chr02\nACGT\n", ["'chr01' is empty"]),
    "FASTQ": (b"@chr01\nACGT\n+\nIIII\n", ["begins with '@chr01'"]),
}


@pytest.mark.parametrize("case", GENOMES)
def test_genomes(work, case):
    content, parts = GENOMES[case]
    work.fasta.unlink()
    if content is not None:
        work.fasta.write_bytes(content)
    work.refused(parts=[f"{work.fasta}: ", *parts])


def test_a_folder_as_genome_and_genes_as_genome(work):
    work.refused("--fasta", work.folder, parts=[f"{work.folder}: is a folder"])
    work.refused("--fasta", work.gff3, parts=["begins with '##gff-version 3'"])


# -- the genes ---------------------------------------------------------------------------------


def test_names_that_match_nothing(work, sound):
    work.fasta.write_bytes(sound[0].replace(b">chr", b">scaffold_"))
    work.refused(parts=[str(work.gff3)])


def test_missing_genes(work):
    work.refused("--gff3", work.folder / "no.gff3", parts=["no.gff3"])
    work.refused("--gff3", work.folder, parts=[str(work.folder)])


def test_no_coding_gene(work, sound):
    lines = [line for line in sound[1].decode().splitlines() if "\tCDS\t" not in line]
    work.gff3.write_text("\n".join(lines))
    work.refused(parts=[f"{work.gff3}: ", "cod"])


def change(old: str, new: str, count: int = 1):
    def apply(text: str) -> str:
        assert re.search(old, text, re.M)
        return re.sub(old, new, text, count=count, flags=re.M)

    return apply


FIRST_GENE = r"^(chr01\t\S+\tgene\t)(\d+)\t(\d+)"
FIRST_MRNA = r"^(chr01\t\S+\tmRNA\t)(\d+)\t(\d+)"
GENES = {
    "empty": lambda _: "",
    "header alone": lambda _: "##gff-version 3\n",
    "FASTA": lambda _: ">chr01\nACGT\n",
    "GTF": lambda _: 'chr01\tx\texon\t1\t9\t.\t+\t.\tgene_id "a"; transcript_id "b";\n',
    "eight columns": change(r"\t[^\t\n]*$", ""),
    "ten columns": change(r"$(?=\nchr01\t\S+\tmRNA)", "\tmore"),
    "no number": change(FIRST_GENE, r"\1one\t\3"),
    "negative": change(FIRST_GENE, r"\1-5\t\3"),
    "zero": change(FIRST_GENE, r"\g<1>0\t\3"),
    "start beyond end": change(FIRST_GENE, r"\1\3\t\2"),
    "beyond the sequence": change(FIRST_GENE, r"\1\g<2>\t99999999"),
    "transcript beyond the gene": change(FIRST_MRNA, r"\g<1>1\t\3"),
    "unknown parent": change(r"Parent=\S+", "Parent=nobody"),
    "its own parent": change(r"ID=(\S+);Parent=\S+", r"ID=\1;Parent=\1"),
    "same ID everywhere": change(r"ID=[^;\n]+", "ID=same", 0),
    "no attributes": change(r"ID=\S+$", "."),
    "strand of a transcript": change(
        r"^(chr01\t\S+\tmRNA\t.*?\t)([+-])(\t)", lambda m: m[1] + "+-"[m[2] == "+"] + m[3]
    ),
    "no strand": change(r"^(chr01\t\S+\tgene\t.*?\t)[+-](\t)", r"\1.\2"),
    "no phase": change(r"(\tCDS\t.*?\t[+-]\t)[012]", r"\1.", 0),
    "wrong phase": change(r"(\tCDS\t.*?\t[+-]\t)[012]", r"\g<1>7"),
    "CDS outside": change(r"(\tCDS\t)(\d+)\t(\d+)", r"\g<1>1\t11000"),
    "no exons": change(r"^.*\texon\t.*\n", "", 0),
    "transcript for mRNA": change("\tmRNA\t", "\ttranscript\t", 0),
    "unknown types": change("\texon\t", "\tsomething\t", 0),
    "Latin-1": lambda text: text.replace("ID=", "Note=\xe4;ID=", 1),
}


@pytest.mark.parametrize("case", GENES)
def test_odd_genes_are_refused_or_prepared_whole(work, case):
    encoding = "latin-1" if case == "Latin-1" else "utf-8"
    work.gff3.write_bytes(GENES[case](work.gff3.read_text()).encode(encoding))
    before = work.content()
    result = work.run()
    assert "Traceback" not in result.output
    assert "fault of helixer-ft" not in result.output
    if result.exit_code == 0:
        names = {path.name for path in work.out.iterdir()}
        assert {"training_data.h5", "validation_data.h5", "prepare.json", "split.tsv"} <= names
    else:
        assert result.exit_code == 2
        assert result.stderr.count("Error: ") == 1
        assert work.content() == before


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, gzip.compress(b"chr01\tx\n" * 9999, mtime=0)[:-9]]
)
def test_binary_genes(work, content):
    work.gff3.write_bytes(content)
    work.refused(parts=[str(work.gff3)])


# -- options -----------------------------------------------------------------------------------

OPTIONS = {
    "length": (["--subsequence-length", "1000"], ["is 1000", "multiple of 9", "999 or 1008"]),
    "absurd length": (["--subsequence-length", "9" * 30], ["expected at most 9999999"]),
    "no length": (["--subsequence-length", "0"], ["is 0", "multiple of 9"]),
    "all for validation": (["--validation-fraction", "1"], ["--validation-fraction is 1.0"]),
    "none for validation": (["--validation-fraction", "0"], ["training needs validation data"]),
    "not a number": (["--test-fraction", "nan"], ["--test-fraction is nan"]),
    "nothing to train on": (
        ["--validation-fraction", "0.6", "--test-fraction", "0.5"],
        ["--validation-fraction 0.6 and --test-fraction 0.5 leave nothing to train on"],
    ),
    "negative test": (["--test-fraction", "-0.1"], ["--test-fraction is -0.1"]),
    "unknown validation sequence": (
        ["--validation-seqids", "chrX"],
        ["--validation-seqids: no sequence is named 'chrX'", "chr01"],
    ),
    "unknown test sequence": (["--test-seqids", "chrX"], ["--test-seqids: no sequence"]),
    "unknown excluded sequence": (["--exclude", "chrM"], ["--exclude: no sequence", "'chrM'"]),
    "sequence in two sets": (
        ["--validation-seqids", "chr01", "--test-seqids", "chr01"],
        ["share chr01"],
    ),
    "name and fraction": (
        ["--validation-seqids", "chr01", "--validation-fraction", "0.2"],
        ["--validation-seqids and --validation-fraction contradict"],
    ),
    "chosen and excluded": (
        ["--validation-seqids", "chr01", "--exclude", "chr01"],
        ["chr01: chosen for a set, and left out"],
    ),
    "all excluded": (["--exclude", "chr01,chr02,chr03,chr04"], ["leaves no sequence"]),
    "all held out": (
        ["--validation-seqids", "chr01,chr02", "--test-seqids", "chr03,chr04"],
        ["training"],
    ),
    "fraction and no split": (
        ["--no-split", "--test-fraction", "0.1"],
        ["--test-fraction contradicts --no-split"],
    ),
    "flank and mask": (["--utr-flank", "50"], ["--utr-flank requires --missing-utr keep"]),
    "negative flank": (["--missing-utr", "keep", "--utr-flank", "-1"], ["--utr-flank is -1"]),
    "no threads": (["--threads", "0"], ["--threads is 0"]),
    "negative seed": (["--seed", "-1"], ["--seed is -1"]),
    "species": (["--species", "a/b"], ["--species is 'a/b'"]),
    "blank in the species": (["--species", "Homo sapiens"], ["Arabidopsis_thaliana"]),
    "long species": (["--species", "x" * 26], ["26 characters", "hold 25"]),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options(work, case):
    options, parts = OPTIONS[case]
    work.refused(*options, parts=parts)


def test_no_genome_at_all(tmp_path):
    result = CliRunner().invoke(main, ["prepare", "--out-dir", str(tmp_path / "data")])
    assert result.exit_code == 2
    assert "no genome given, expected --fasta (and --gff3), or --samples" in result.stderr


@pytest.mark.parametrize(
    "options", [["--genes", "x"], ["--missing-utr", "keep"], ["--validation-fraction", "0.1"]]
)
def test_options_for_labels_without_genes(work, options):
    result = CliRunner().invoke(
        main, ["prepare", "--fasta", str(work.fasta), "--out-dir", str(work.out), *options]
    )
    assert result.exit_code == 2
    assert f"{options[0]} concerns labels, which need --gff3" in result.stderr


def test_lists_of_genes(work):
    path = work.folder / "list.txt"
    work.refused("--genes", path, parts=[f"{path}: no such file", "one a line"])
    work.refused("--genes", "/dev/zero", parts=["/dev/zero: is not a regular file", "one a line"])
    path.write_bytes(b"")
    work.refused("--genes", path, parts=[f"{path}: is empty"])
    path.write_bytes(b"\xff\xfe")
    work.refused("--genes", path, parts=[f"{path}: is not a text file"])
    path.write_text("nobody\n")
    work.refused("--genes", path, parts=[f"{work.gff3}: has none of the 1 trusted genes", "nobody"])


def test_what_is_read_is_not_overwritten(work):
    """Whatever --force allows: names of what is written may be those of what is read."""
    work.out.mkdir()
    said = "is read, and never overwritten. Give another --out-dir"
    for option, name in (("--genes", "split.tsv"), ("--genes", "genome.masked.tsv")):
        path = work.out / name
        path.write_text("gene\n")
        work.refused(option, path, "--force", "--species", "genome", parts=[f"{path}: {said}"])
        assert path.read_text() == "gene\n"
    fasta, sheet = work.out / "prepare.json", work.out / "split.tsv"
    fasta.write_bytes(work.fasta.read_bytes())
    sheet.write_text(f"species\tfasta\tgff3\trole\nA\t{work.fasta}\t{work.gff3}\tsplit\n")
    for inputs in (["--fasta", fasta, "--gff3", work.gff3], ["--samples", sheet]):
        arguments = ["prepare", "--out-dir", work.out, "--force", *inputs]
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 2
        assert f"{inputs[1]}: {said}" in result.stderr


def test_a_sequence_without_genes_for_validation(work, sound):
    lines = [line for line in sound[1].decode().splitlines() if not line.startswith("chr02")]
    work.gff3.write_text("\n".join(lines))
    work.refused("--validation-seqids", "chr02", parts=["chr02: chosen for", "no coding gene"])


# -- the output --------------------------------------------------------------------------------


def test_existing_files_are_kept(work):
    work.out.mkdir()
    (work.out / "validation_data.h5").write_bytes(b"precious")
    path = work.out / "validation_data.h5"
    work.refused(parts=[f"{path}: exists already", "--force"])


def test_other_data_in_the_folder(work):
    work.out.mkdir()
    (work.out / "training_data.old.h5").write_bytes(b"old")
    work.refused("--force", parts=["training_data.old.h5 of another preparation"])


def test_check_sequences_of_other_data_in_the_folder(work):
    """They would be said to have been used for no training."""
    work.out.mkdir()
    for name in ("check_data.h5", "check_junctions.tsv"):
        (work.out / name).write_bytes(b"old")
    parts = ["holds check_data.h5, check_junctions.tsv of another preparation"]
    work.refused("--force", parts=parts)


def test_the_output_cannot_be_a_file(work):
    work.refused("--out-dir", work.fasta, parts=[f"{work.fasta}: is not a folder"])
    work.refused("--out-dir", work.fasta / "below", parts=[f"{work.fasta}: is not a folder"])


def test_a_folder_in_the_place_of_a_file(work):
    (work.out / "test_data.h5").mkdir(parents=True)
    work.refused("--force", parts=["test_data.h5: is a folder"])


# -- sheets ------------------------------------------------------------------------------------

SHEETS = {
    "unknown role": ("A\tgenome.fa\tgenes.gff3\ttest_set\n", ["role 'test_set'", "train, "]),
    "no validation": ("A\tgenome.fa\tgenes.gff3\ttrain\n", ["role validation (or split)"]),
    "no training": ("A\tgenome.fa\tgenes.gff3\tvalidation\n", ["role train (or split)"]),
    "missing file": ("A\tno.fa\tgenes.gff3\tsplit\n", ["no.fa: no such file"]),
    "no line": ("", ["no line below it"]),
}


@pytest.mark.parametrize("case", SHEETS)
def test_sheets(work, case):
    text, parts = SHEETS[case]
    sheet = work.folder / "sheet.tsv"
    sheet.write_text("species\tfasta\tgff3\trole\n" + text)
    work.refused("--samples", sheet, parts=parts)


def test_sheet_and_what_contradicts_it(work):
    sheet = work.folder / "sheet.tsv"
    row = "{}\tgenome.fa\tgenes.gff3\t{}\n"
    sheet.write_text("species\tfasta\tgff3\trole\n" + row.format("A", "split"))
    for options in (["--fasta", "x"], ["--gff3", "x"], ["--species", "x"]):
        work.refused("--samples", sheet, *options, parts=[f"--samples and {options[0]} contradict"])
    sheet.write_text(
        "species\tfasta\tgff3\trole\n" + row.format("A", "train") + row.format("B", "validation")
    )
    work.refused("--samples", sheet, "--no-split", parts=["contradicts the role(s) train, valid"])
    work.refused(
        "--samples", sheet, "--test-fraction", "0.1", parts=["needs a species of the role"]
    )
    sheet.write_text(
        "species\tfasta\tgff3\trole\n" + row.format("A", "split") + row.format("B", "train")
    )
    work.refused("--samples", sheet, "--test-seqids", "chr01", parts=["use roles in the sheet"])

"""`helixer-ft evaluate-genes` as a user calls it."""

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helixer_ft.cli import main
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate-genes", *map(str, arguments)])


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """Three sequences; reference.gff3 has all genes, predicted.gff3 lacks the first of each,
    and the last of each begins its coding sequence a codon later."""
    folder = tmp_path_factory.mktemp("genes")
    genome = simulate(TARGET, 3, 20_000, seed=3)
    (folder / "genome.fa").write_bytes(to_fasta(genome))
    lines = to_gff3(genome).decode().splitlines()
    (folder / "reference.gff3").write_text("\n".join(lines) + "\n")
    first = {gene.seqid: gene.gene_id for gene in reversed(genome.genes)}
    last = {gene.seqid: gene for gene in genome.genes}
    kept = []
    for line in lines:
        columns = line.split("\t")
        if len(columns) == 9:
            gene = columns[8].split(";")[0].removeprefix("ID=").split(".t1")[0]
            if gene == first[columns[0]]:
                continue
            ending = last[columns[0]]
            if gene == ending.gene_id and columns[2] == "CDS":
                start, end = ending.cds[0][0] + 1, ending.cds[-1][1]
                if columns[6] == "+" and columns[3] == str(start):
                    columns[3] = str(start + 3)
                if columns[6] == "-" and columns[4] == str(end):
                    columns[4] = str(end - 3)
        kept.append("\t".join(columns))
    (folder / "predicted.gff3").write_text("\n".join(kept) + "\n")
    return folder, genome


@pytest.fixture
def arguments(genome) -> list[object]:
    folder, _ = genome
    return [
        *("--predicted", folder / "predicted.gff3"),
        *("--reference", folder / "reference.gff3"),
        *("--fasta", folder / "genome.fa"),
    ]


def evaluated(*arguments: object) -> dict:
    result = run(*arguments, "--json", "-q")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_json(arguments, genome):
    _, simulated = genome
    n = len(simulated.genes)
    outcome = evaluated(*arguments)
    assert outcome["sequences"] == list(simulated.sequences)
    assert outcome["genes"] == outcome["transcripts"] == {"reference": n, "predicted": n - 3}
    gene = outcome["coding"]["gene"]
    assert (gene["reference"], gene["found"]) == (n, n - 6)
    assert (gene["predicted"], gene["right"]) == (n - 3, n - 6)
    assert gene["recall"] == pytest.approx((n - 6) / n)
    assert gene["precision"] == pytest.approx((n - 6) / (n - 3))
    assert gene["f1"] == pytest.approx(2 * (n - 6) / (2 * n - 3))
    assert outcome["exons"]["transcript"]["found"] == n - 3
    assert outcome["exons"]["base"]["precision"] == 1
    coding = sum(end - start for g in simulated.genes for start, end in g.cds)
    assert outcome["coding"]["base"]["reference"] == coding
    first = {g.seqid: g.gene_id for g in reversed(simulated.genes)}
    assert outcome["only_reference"] == sorted(first.values())
    assert outcome["only_predicted"] == []
    frames = outcome["open_reading_frames"]
    assert (frames["reference"]["complete"], frames["reference"]["complete_share"]) == (n, 1)
    assert frames["predicted"]["transcripts"] == n - 3
    assert frames["predicted"]["no_start"] >= 1
    assert frames["predicted"]["complete"] + frames["predicted"]["no_start"] == n - 3


def test_tables(arguments, genome):
    _, simulated = genome
    n = len(simulated.genes)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines[1:-1])) <= 80
    assert "…" not in result.stdout
    assert lines[0] == (
        f"3 sequence(s). Reference: {n} coding genes, {n} transcripts. "
        f"Predicted: {n - 3} coding genes, {n - 3} transcripts."
    )
    rows = [line.split("  ")[0] for line in lines]
    exons = rows[rows.index("level") + 1 :][:6]
    assert exons == ["base", "exon", "intron", "intron chain", "transcript", "locus"]
    gene = next(line for line in lines if line.startswith("gene")).split()
    assert gene[1] == f"{(n - 6) / n:.4f}"
    assert gene[4:] == [str(n - 6), str(n), str(n - 6), str(n - 3)]
    assert lines[-1].endswith("other file: 3 of the reference, 0 predicted.")


def test_compressed_files_give_the_same(arguments, tmp_path):
    packed = list(arguments)
    for i in (1, 3, 5):
        path = tmp_path / f"{Path(arguments[i]).name}.gz"
        path.write_bytes(gzip.compress(Path(arguments[i]).read_bytes()))
        packed[i] = path
    plain, other = evaluated(*arguments), evaluated(*packed)
    for outcome in (plain, other):
        del outcome["predicted"], outcome["reference"]
    assert plain == other


def test_seqids(arguments, genome):
    _, simulated = genome
    names = list(simulated.sequences)
    one = evaluated(*arguments, "--seqids", names[1])
    here = sum(gene.seqid == names[1] for gene in simulated.genes)
    assert one["sequences"] == [names[1]]
    assert one["genes"] == {"reference": here, "predicted": here - 1}
    assert set(one["left_out"]["predicted"]["elsewhere"]) == {names[0], names[2]}
    several = evaluated(*arguments, "--seqids", f"{names[2]},{names[0]}", "--seqids", names[1])
    assert several["coding"] == evaluated(*arguments)["coding"]


def of_sequence(path: Path, name: str, to: Path) -> Path:
    lines = path.read_text().splitlines(keepends=True)
    to.write_text("".join(line for line in lines if line.startswith((f"{name}\t", "##gff"))))
    return to


def test_sequences_without_reference_genes_are_left_out_and_it_is_said(arguments, genome, tmp_path):
    folder, simulated = genome
    names = list(simulated.sequences)
    arguments[3] = of_sequence(folder / "reference.gff3", names[0], tmp_path / "r.gff3")
    result = run(*arguments)
    elsewhere = sum(gene.seqid != names[0] for gene in simulated.genes) - 2
    assert f"predicted.gff3: {elsewhere} coding gene(s) on 2 sequence(s)" in result.stderr
    outcome = evaluated(*arguments)
    assert outcome["coding"]["gene"]["precision"] > 0.5
    named = evaluated(*arguments, "--seqids", ",".join(names))
    assert named["coding"]["gene"]["predicted"] == len(simulated.genes) - 3
    assert "Note: " not in run(*arguments, "-q").stderr


def test_a_prediction_without_genes_there_scores_nothing(arguments, genome, tmp_path):
    folder, simulated = genome
    names = list(simulated.sequences)
    arguments[1] = of_sequence(folder / "predicted.gff3", names[0], tmp_path / "p.gff3")
    result = run(*arguments, "--seqids", names[1])
    assert result.exit_code == 0
    assert "has no coding gene on the sequences compared" in result.stderr
    outcome = evaluated(*arguments, "--seqids", names[1])
    assert outcome["coding"]["gene"]["f1"] == 0
    assert outcome["coding"]["gene"]["precision"] is None


def test_noncoding_genes_are_not_compared(arguments, genome, tmp_path):
    folder, _ = genome
    before = evaluated(*arguments)
    text = (folder / "reference.gff3").read_text()
    seqid = before["sequences"][0]
    rna = [(f"{seqid}\tx\t{kind}\t5\t60\t.\t+\t.\tID={kind};Parent={parent}")
           for kind, parent in (("ncRNA", "ncRNA_gene"), ("exon", "ncRNA"))]  # fmt: skip
    rna.insert(0, f"{seqid}\tx\tncRNA_gene\t5\t60\t.\t+\t.\tID=ncRNA_gene")
    arguments[3] = tmp_path / "r.gff3"
    arguments[3].write_text(text + "\n".join(rna) + "\n")
    after = evaluated(*arguments)
    assert after["left_out"]["reference"]["noncoding"] == 1
    assert (after["exons"], after["coding"]) == (before["exons"], before["coding"])
    assert "r.gff3: 1 gene(s) without CDS are not compared" in run(*arguments).stderr


def test_stop_codons_outside_the_cds_are_taken_in(arguments, genome, tmp_path):
    _, simulated = genome
    n = len(simulated.genes)
    shorter = []
    for gene in simulated.genes:
        start, end = (0, 3) if gene.strand == "+" else (3, 0)
        cds = (gene.cds[0][0] + start, gene.cds[-1][1] - end)
        pieces = [(max(s, cds[0]), min(e, cds[1])) for s, e in gene.cds]
        shorter.append((gene, [(s, e) for s, e in pieces if s < e]))
    lines = ["##gff-version 3"]
    for gene, cds in shorter:
        columns = [gene.seqid, "x", "mRNA", gene.start + 1, gene.end, ".", gene.strand, "."]
        lines.append("\t".join(map(str, [*columns, f"ID={gene.gene_id}"])))
        for start, end in cds:
            columns[2:5] = "CDS", start + 1, end
            lines.append("\t".join(map(str, [*columns, f"Parent={gene.gene_id}"])))
    arguments[1] = tmp_path / "p.gff3"
    arguments[1].write_text("\n".join(lines) + "\n")
    result = run(*arguments)
    kind = "transcripts whose CDS ends right before a stop codon, taken in"
    assert f"p.gff3: {kind}: {n} (for example " in result.stderr
    outcome = evaluated(*arguments)
    assert outcome["coding"]["gene"]["found"] == n
    assert outcome["open_reading_frames"]["predicted"]["stop_behind"] == 0
    assert outcome["warnings"] == []


def test_genes_that_are_cut_off_before_a_stop_codon_are_warned_of(arguments, genome, tmp_path):
    """No whole codons, so no stop codon in frame: it is not taken in."""
    _, simulated = genome
    cut = []
    for gene in simulated.genes:
        end = gene.cds[-1][1] - 3
        if gene.strand == "+":
            cut.append(f"{gene.seqid}\tx\tCDS\t{end - 3}\t{end}\t.\t+\t0\tID={gene.gene_id}")
    arguments[1] = tmp_path / "p.gff3"
    arguments[1].write_text("\n".join(cut) + "\n")
    result = run(*arguments)
    assert "transcripts ends before the stop codon" in result.stderr


def failed(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def test_bad_input(arguments, genome, tmp_path):
    folder, simulated = genome
    names = list(simulated.sequences)

    def with_(place: int, content: str | None) -> list[object]:
        path = tmp_path / "bad"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        return [*arguments[:place], path, *arguments[place + 1 :]]

    for place in (1, 3):
        assert "no such file, expected gene models in GFF3" in failed(*with_(place, None))
        gtf = f'{names[0]}\tx\texon\t1\t9\t.\t+\t.\tgene_id "a"; transcript_id "b";\n'
        assert "has no coding gene" in failed(*with_(place, gtf))
        assert "has no features" in failed(*with_(place, "##gff-version 3\n"))
        gene = f"{names[0]}\tx\tgene\t1\t9\t.\t+\t.\tID=a\n"
        assert "has no coding gene" in failed(*with_(place, gene))
        message = failed(*with_(place, gene.replace(names[0], "other")))
        assert f"It has other, the genome {names[0]}, {names[1]}" in message
    assert "no such file" in failed(*with_(5, None))
    message = failed(*arguments, "--seqids", f"{names[0]},chrX")
    assert f"has no sequence chrX; it has {names[0]}" in message

    one = of_sequence(folder / "predicted.gff3", names[0], tmp_path / "one.gff3")
    other = of_sequence(folder / "reference.gff3", names[1], tmp_path / "other.gff3")
    message = failed("--predicted", one, "--reference", other, *arguments[4:])
    assert "have no sequence in common" in message
    assert f"genes on {names[0]}, the latter on {names[1]}" in message
    message = failed(*arguments[:2], "--reference", other, *arguments[4:], "--seqids", names[0])
    assert f"has no coding gene on {names[0]}, expected some" in message


def test_every_key_is_documented(arguments):
    page = (Path(__file__).parents[2] / "docs/gene_scores.md").read_text(encoding="utf-8")
    outcome = evaluated(*arguments)
    table = page.split("## `--json`")[1]
    documented = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
    assert set(documented) == set(outcome)
    words = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.S)))
    parts = [outcome["coding"]["gene"], outcome["left_out"]["predicted"]]
    parts.append(outcome["open_reading_frames"]["predicted"])
    assert set().union(*parts) - words == set()
    levels = re.findall(r"^\| ([a-z ]+) \|", page.split("### Exons")[1].split("## Open")[0], re.M)
    named = [name for name in levels if name != "level"]
    assert named == [*outcome["exons"], *outcome["coding"]]


def test_debug_lets_the_traceback_through(arguments, tmp_path):
    arguments[1] = tmp_path / "none"
    assert type(run(*arguments, "--debug").exception).__name__ == "InputError"

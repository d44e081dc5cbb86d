"""The script that reads a folder of annotations."""

import gzip

from tests.dialects.odd_files import PLAIN
from tests.dialects.rewriting import DIALECTS, write
from tests.dialects.run_folder import main


def test_a_folder(simulated, tmp_path, capsys):
    fasta, bases, genes, _ = simulated
    n = sum(len(there) for there in genes.values())
    folder = tmp_path / "suite"
    (folder / "more").mkdir(parents=True)
    text = write(genes, bases, PLAIN)
    (folder / "a.gff3").write_text(text)
    (folder / "a.fa").write_bytes(fasta.read_bytes())
    # without FASTA
    packed = write(genes, bases, DIALECTS["Ensembl (GTF)"]).encode()
    (folder / "more/b.gtf.gz").write_bytes(gzip.compress(packed))
    (folder / "c.gff").write_text("chr01\tx\tgene\t1\n")
    (folder / "d.gff").write_text("chr01\tx\tgene\tone\t9\t.\t+\t.\tID=a\n")
    (folder / "d.fa").write_text(">chr01\nACGT\n")
    (folder / "e.gff").write_text("chr01\tx\tgene\ttwo\t9\t.\t+\t.\tID=a\n")
    (folder / "e.fa").write_text(">chr01\nACGT\n")
    (folder / "notes.txt").write_text("no annotation")
    assert main([str(folder), "--tsv", str(tmp_path / "out.tsv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 file(s), 2 accepted"
    assert lines[1].startswith(f"coding genes: {2 * n}, usable: ")
    assert lines[2].split(maxsplit=1) == [
        "2",
        "has start ... and end ..., expected whole numbers from ... on.",
    ]
    assert lines[3].split(maxsplit=1) == ["1", "no FASTA, and none can be made up"]
    rows = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
    assert rows[1][:4] == [str(folder / "a.gff3"), "True", str(n), str(n)]
    assert len(rows) == 6

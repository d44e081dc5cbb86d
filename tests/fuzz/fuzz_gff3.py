"""GFF3 and GTF text through the reader of `prepare` to labels; see README.md.

Allowed is an annotation that can be labelled, or a `HelixerFtError`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["helixer_ft"]):
    import numpy as np

    from helixer_ft.errors import HelixerFtError
    from helixer_ft.genome.fasta import open_fasta
    from helixer_ft.genome.mending import read_genes
    from helixer_ft.preparation.labels import label_sequence

LENGTHS = {"chr1": 2000, "chr2": 60}
BASES = {
    name: np.frombuffer(b"ACGTTGCAATGCCCTAAGGTGA" * 100, np.uint8)[:length]
    for name, length in LENGTHS.items()
}
SEEDS = {
    "plain": """##gff-version 3
##sequence-region chr1 1 2000
chr1\tx\tgene\t101\t900\t.\t+\t.\tID=g
chr1\tx\tmRNA\t101\t900\t.\t+\t.\tID=t;Parent=g
chr1\tx\texon\t101\t300\t.\t+\t.\tParent=t
chr1\tx\texon\t501\t900\t.\t+\t.\tParent=t
chr1\tx\tCDS\t151\t300\t.\t+\t0\tID=c;Parent=t
chr1\tx\tCDS\t501\t800\t.\t+\t0\tID=c;Parent=t
""",
    "minus": """chr1\tx\tgene\t1001\t1900\t.\t-\t.\tID=h;Is_circular=true
chr1\tx\tpseudogene\t1200\t1300\t.\t-\t.\tID=p
chr1\tx\tCDS\t1151\t1300\t.\t-\t2\tParent=h
chr1\tx\tCDS\t1501\t1800\t.\t-\t.\tParent=h,p;part=1
chr1\tx\tfive_prime_UTR\t1801\t1900\t.\t-\t.\tParent=h
chr2\tx\tregion\t1\t60\t.\t.\t.\tID=chr2;Is_circular=true
chr2\tx\tgene\t50\t70\t.\t?\t.\tID=a%20b
chr2\tx\tmRNA\t50\t70\t.\t?\t.\tID=u;Parent=a%20b
chr2\tx\tCDS\t50\t70\t.\t?\t0\tParent=u
""",
    "gtf": """chr1\tA\tgene\t101\t900\t.\t+\t.\tg1
chr1\tA\ttranscript\t101\t900\t.\t+\t.\tg1.t1
chr1\tA\tCDS\t151\t300\t.\t+\t0\ttranscript_id "g1.t1"; gene_id "g1";
chr1\tA\tCDS\t501\t797\t.\t+\t0\ttranscript_id "g1.t1"; gene_id "g1";
chr1\tA\tstop_codon\t798\t800\t.\t+\t0\ttranscript_id "g1.t1"; gene_id "g1";
chr1\tA\texon\t1301\t1400\t.\t-\t.\tgene_id g2; transcript_id g2.t1; gene_biotype "pseudogene";
chr1\tA\tCDS\t1301\t1400\t.\t-\t1\tgene_id g2; transcript_id g2.t1
""",
}

_folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
_path = Path(_folder.name) / "genes.gff3"
_genome = Path(_folder.name) / "genome.fa"
_genome.write_bytes(b"".join(b">%s\n%s\n" % (n.encode(), b.tobytes()) for n, b in BASES.items()))
_fasta = open_fasta(_genome)


def one_input(data: bytes) -> None:
    """`data` is the annotation; an error must name it, or the gene."""
    _path.write_bytes(data)
    message = str(_path)
    try:
        annotation = read_genes(_path, _fasta)
        for name, bases in BASES.items():
            for missing_utr in ("mask", "keep"):
                label_sequence(bases, annotation.genes[name], missing_utr=missing_utr)
    except HelixerFtError as error:
        message = str(error)
    assert str(_path) in message or "gene " in message, message


if __name__ == "__main__":
    corpus = Path(next(argument for argument in sys.argv[1:] if not argument.startswith("-")))
    corpus.mkdir(parents=True, exist_ok=True)
    for name, text in SEEDS.items():
        (corpus / f"seed_{name}").write_text(text)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

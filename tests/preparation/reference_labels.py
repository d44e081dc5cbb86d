"""Labels and masks once more, slow and base by base, from the rules in docs/labels.md.

Every range is a set of bases. `rank` numbers the bases of a strand in reading direction; nothing
here is taken from the package but the gene models.
"""

import math
from itertools import pairwise

START, STOP = {"ATG"}, {"TAA", "TAG", "TGA"}
PAIRED = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}


class Read:
    """A coding transcript as sets of ranks."""

    def __init__(self, transcript, strand, n):
        def rank(base):
            return base if strand == "+" else n - 1 - base

        self.id = transcript.id
        self.bases = {rank(b) for b in range(transcript.start, transcript.end)}
        exons = [{rank(b) for b in range(*exon)} for exon in transcript.exons]
        exonic = set().union(*exons)
        self.introns = runs(self.bases - exonic)
        self.twice = runs({b for b in exonic if sum(b in exon for exon in exons) > 1})
        pieces = [({rank(b) for b in range(s, e)}, phase) for s, e, phase in transcript.cds]
        pieces.sort(key=lambda piece: (min(piece[0]), max(piece[0]), piece[1]))
        self.shifts = self.shifted_lines(
            pieces, set().union(*self.introns), set().union(*self.twice)
        )
        coding = set().union(*(piece for piece, _ in pieces))
        first, last = min(coding), max(coding)
        if first == min(exonic):
            first = min(self.bases)
        if last == max(exonic):
            last = max(self.bases)
        self.cds = set(range(first, last + 1))
        self.last_start = min(pieces[-1][0])
        self.first_phase = pieces[0][1]
        self.last_phase = pieces[-1][1]
        self.coding_length = len(self.cds) - sum(
            len(run) for run in self.introns + self.twice if run & self.cds
        )

    @staticmethod
    def shifted_lines(pieces, intronic, twice):
        """(first rank, last rank of the line before, shift) of lines that do not fit the count."""
        found, phase, before = [], None, None
        for piece, stated in pieces:
            first = min(piece)
            if before is not None:
                gone = [r for r in range(min(before), first) if r not in intronic]
                expected = (max(phase, 0) - len(gone)) % 3
                shared = {r for r in range(first, max(before) + 1) if r in twice}
                if stated not in (-1, expected) and not shared:
                    found.append((first, max(before), stated - expected))
                    expected = stated
                stated = expected
            phase, before = stated, piece
        return found

    def shift_masks(self):
        intronic = set().union(*self.introns)
        for first, last, _ in self.shifts:
            if any(r in intronic for r in range(last + 1, first)):
                yield from [*range(last - 2, last + 1), *range(first, first + 3)]
            else:
                yield from range(min(last + 1, first) - 3, max(last + 1, first) + 3)

    def slips_in_last_exon(self):
        intronic = set().union(*self.introns)
        return any(
            first == self.last_start and not any(r in intronic for r in range(last + 1, first))
            for first, last, _ in self.shifts[-1:]
        )


def runs(bases):
    """Stretches of bases without a gap."""
    found = []
    for base in sorted(bases):
        if found and base - 1 in found[-1]:
            found[-1].add(base)
        else:
            found.append({base})
    return found


class ReadGene:
    def __init__(self, gene, place, n):
        self.gene, self.place = gene, place
        ranks = [b if gene.strand == "+" else n - 1 - b for b in range(gene.start, gene.end)]
        self.first, self.last = min(ranks), max(ranks)
        self.reads = [Read(t, gene.strand, n) for t in gene.transcripts if t.cds and gene.trusted]
        self.labelled = None
        for read in self.reads:
            best = 0 if self.labelled is None else self.labelled.coding_length
            if read.coding_length > best:
                self.labelled = read


def label_strand(sequence, genes, strand, utr_flank=None):
    """Return per base: genic, phase, transitions (a set of columns), valid, gene_lengths."""
    n = len(sequence)
    own = [gene for gene in genes if gene.strand == strand]
    read_genes = [ReadGene(gene, place, n) for place, gene in enumerate(own)]
    in_order = read_genes if strand == "+" else read_genes[::-1]
    in_order = sorted(in_order, key=lambda gene: gene.first)
    text = sequence if strand == "+" else "".join(PAIRED[b] for b in reversed(sequence))

    labelled = [gene for gene in read_genes if gene.labelled]
    kinds = [
        set().union(*(gene.labelled.bases for gene in labelled)),
        set().union(*(gene.labelled.cds for gene in labelled)),
        set().union(*(run for gene in labelled for run in gene.labelled.introns)),
    ]
    covered_by_kind = [{r if strand == "+" else n - 1 - r for r in bases} for bases in kinds]
    masked = masked_ranks(text, in_order, n, utr_flank)
    result = []
    for base in range(n):
        rank = base if strand == "+" else n - 1 - base
        genic = 3 if rank in kinds[2] else 2 if rank in kinds[1] else 1 if rank in kinds[0] else 0
        over = [gene.labelled.bases for gene in labelled if rank in gene.labelled.bases]
        columns = set()
        for kind, covered in enumerate(covered_by_kind):
            for left, right in ((base - 1, base), (base, base + 1)):
                if left >= 0 and right < n and (left in covered) != (right in covered):
                    columns.add(kind if right in covered else kind + 3)
        result.append(
            (
                genic,
                phase(rank, labelled, kinds, strand, n) if genic == 2 else 0,
                columns,
                rank not in masked,
                max((len(bases) for bases in over), default=0),
            )
        )
    return result


def phase(rank, labelled, kinds, strand, n):
    def lower_coordinate(gene):
        ranks = gene.labelled.cds
        return min(ranks) if strand == "+" else n - 1 - max(ranks)

    over = [gene for gene in labelled if rank in gene.labelled.cds]
    winner = max(over, key=lambda gene: (lower_coordinate(gene), gene.place)).labelled
    before = [r for r in winner.cds if r < rank and r not in kinds[2]]
    shifted = sum(shift for first, _, shift in winner.shifts if first <= rank)
    return 1 + (max(winner.first_phase, 0) - len(before) + shifted) % 3


def masked_ranks(text, genes, n, flank):
    """The ranks that the errors of a strand mask; `genes` in the order of their 5' ends."""
    borders = [0]
    for left, right in pairwise(genes):
        between = max(0, right.first - left.last - 1)
        borders.append(left.last + 1 + min(between // 2, 10 * math.floor(math.sqrt(between))))
    borders.append(n)
    near = n if flank is None else flank
    masked = set()
    for i, gene in enumerate(genes):
        whole = set(range(gene.first, gene.last + 1))
        read = gene.labelled
        if not gene.gene.trusted or (gene.reads and read is None):
            masked |= whole
        if read is None:
            continue
        outer_5p = {r for r in range(n) if borders[i] <= r < min(read.cds)}
        outer_3p = {r for r in range(n) if max(read.cds) < r < borders[i + 1]}
        if no_5p_utr(genes, i, read):
            masked |= {r for r in outer_5p if r >= min(read.cds) - near}
        if no_3p_utr(genes, i, read, n):
            masked |= {r for r in outer_3p if r <= max(read.cds) + near}
        starts = text[min(read.cds) : min(read.cds) + 3] in START
        if not starts or read.first_phase in (1, 2):
            masked |= outer_5p
        if not starts and read.first_phase == -1:
            masked |= read.cds
        stops = max(read.cds) >= 2 and text[max(read.cds) - 2 : max(read.cds) + 1] in STOP
        if not stops or (wrong_last_phase(read) and not read.slips_in_last_exon()):
            masked |= outer_3p
        masked |= {r for r in read.shift_masks() if 0 <= r < n}
        for run in read.introns:
            if len(run) < 20:
                masked |= run
            if min(read.bases) in run:
                masked |= {r for r in range(n) if borders[i] <= r < min(read.bases)}
            if max(read.bases) in run:
                masked |= {r for r in range(n) if max(read.bases) < r < borders[i + 1]}
        for stretch in runs(read.bases - set().union(*read.introns)):
            if any(run & stretch for run in read.twice):
                masked |= stretch
        masked |= overlap(genes, i, borders, near, n)
    return masked


def wrong_last_phase(read):
    if read.last_phase == -1 or not (read.introns or read.twice):
        return False
    piece = []
    starts = {min(run) for run in read.twice}
    for r in sorted(read.cds, reverse=True):
        if any(r in run for run in read.introns):
            break
        piece.append(r)
        if r in starts:
            break
    return len(piece) % 3 != read.last_phase


def nested(genes, i):
    return i > 0 and genes[i - 1].last > genes[i].last


def overlaps_previous(genes, i):
    return genes[i].first <= genes[i - 1].last


def no_5p_utr(genes, i, read):
    return min(read.cds) == min(read.bases) and not nested(genes, i)


def no_3p_utr(genes, i, read, n):
    return max(read.cds) == max(read.bases) and max(read.bases) < n - 1 and not nested(genes, i)


def overlap(genes, i, borders, near, n):
    """What is masked because genes i - 1 and i overlap and lack a UTR there."""
    if i == 0 or not overlaps_previous(genes, i) or nested(genes, i):
        return set()
    above, gene = genes[i - 1], genes[i]
    up_to_labelled = gene.reads[: gene.reads.index(gene.labelled) + 1]
    if any(no_3p_utr(genes, i - 1, read, n) for read in above.reads):
        last = i
        while last + 1 < len(genes) and overlaps_previous(genes, last + 1):
            last += 1
        return {r for r in range(above.last + 1, borders[last + 1]) if r <= above.last + near}
    if any(no_5p_utr(genes, i, read) for read in up_to_labelled):
        first = i - 1
        while first > 0 and overlaps_previous(genes, first):
            first -= 1
        return {r for r in range(borders[first], gene.first) if r >= gene.first - near}
    return set()

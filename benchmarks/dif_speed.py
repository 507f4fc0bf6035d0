"""Speed of the DIF engine against statsmodels, as ratios on the same simulated data, in one run.

    .venv/bin/python benchmarks/dif_speed.py            peer on 3 items at 100,000 persons, extrapolated
    .venv/bin/python benchmarks/dif_speed.py --full     peer on all 20 items
    .venv/bin/python benchmarks/dif_speed.py --big      also 10 million persons from Parquet

A ratio is the peer's time over ours, so that above 1 psyalign is faster. Both sides run in one
process with one thread in linear algebra (`--threads`); DuckDB, which reads files, has two.

Ours, timed from the persons x items table, counting included: Mantel, SMD, Liu-Agresti, GMH, the
three cumulative-logit models with all tests, POLYSIB, 20 items. The peer's: `OrderedModel`, the same
three models by maximum likelihood and nothing else; `StratifiedTable`, Mantel-Haenszel on scores
cut in two, against our `mantel_haenszel` on the same. Times are the best of three (peers from
scores and the bootstrap: one). The data are simulated by the graded response model. Likelihood
ratios of the peer's bfgs are off by what the table says; `--optimiser newton` takes longer and
agrees to 1e-10.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.stats.contingency_tables import StratifiedTable
from threadpoolctl import threadpool_limits

from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.method_table import battery
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel
from psyalign.dif.simulation.graded import default_items
from psyalign.dif.simulation.scores import simulate_grm
from psyalign.dif.whole.intervals import bootstrap

ITEMS, CUT, ROUNDS = 20, 2, 3
METHODS = ("mantel", "smd", "liu_agresti", "gmh", "ordinal", "polysib")
STRATA, VALUES, REST = MatchSpec(), MatchSpec(bins="thin"), MatchSpec("rest", bins="thin")
GROUPS = ("reference", "focal")
BIG, BLOCK, LIMIT_GB = 10_000_000, 500_000, 2.0


class Sample(NamedTuple):
    """Simulated scores persons x items, and the group of each person."""

    scores: pd.DataFrame
    group: pd.Series

    def matrix(self) -> ScoreMatrix:
        return ScoreMatrix.from_wide(self.scores, self.group)


class Peer(NamedTuple):
    """Seconds for all items, how many were run, and the likelihood ratios (total) of those."""

    seconds: float
    items: int
    ratios: np.ndarray


def main() -> None:
    """Print the machine and a Markdown table of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 100_000], help="persons, both groups")
    parser.add_argument(
        "--peer-items", type=int, default=3, help="items of OrderedModel at 100,000 and above"
    )
    parser.add_argument("--full", action="store_true", help="OrderedModel on all items at every size")
    parser.add_argument("--optimiser", choices=("bfgs", "newton"), default="bfgs", help="of OrderedModel")
    parser.add_argument("--replicates", type=int, default=1000, help="person-bootstrap resamples")
    parser.add_argument("--big", action="store_true", help="10 million persons from Parquet, 2 GB")
    parser.add_argument("--threads", type=int, default=1, help="in linear algebra, both sides")
    parser.add_argument("--count-file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    with threadpool_limits(given.threads):
        if given.count_file:
            print(json.dumps(_count_file(given.count_file)))
        else:
            _run(given)


def _run(given: argparse.Namespace) -> None:
    _print_machine(given)
    print("| persons | what | peer | ratio | note |\n|---|---|---|---|---|")
    slowest = 0.0
    for size in given.sizes:
        items = ITEMS if given.full or size < 100_000 else min(given.peer_items, ITEMS)
        slowest = max(slowest, _compare(_sample(size), items, given.optimiser, given.replicates))
    if given.big:
        _big(slowest, max(given.sizes), given.threads)


def _print_machine(given: argparse.Namespace) -> None:
    names = ("psyalign", "numpy", "scipy", "pandas", "statsmodels", "pyarrow", "duckdb")
    system = f"{platform.system()}, Python {platform.python_version()}"
    print(f"Simulated graded responses, {ITEMS} items scored 0 to 4, two groups of equal size, impact .3 SD.")
    print(f"{platform.machine()}, {os.cpu_count()} cores, {system}")
    print(", ".join(f"{name} {version(name)}" for name in names))
    print(f"Threads in linear algebra: {given.threads} on both sides; OrderedModel by {given.optimiser}\n")


def _sample(size: int, seed: int = 1) -> Sample:
    scores, group = simulate_grm(
        size // 2, size // 2, **default_items(ITEMS)._asdict(), impact=0.3,
        shift=np.where(np.arange(ITEMS) == 2, 0.3, 0.0), seed=seed,
    )  # fmt: skip
    wide = pd.DataFrame(scores[0], columns=[f"item{number:02d}" for number in range(1, ITEMS + 1)])
    return Sample(wide, pd.Series(np.array(GROUPS, dtype=object)[group]))


def _compare(sample: Sample, items: int, optimiser: str, replicates: int) -> float:
    """Print the rows of one sample; the peer's seconds for its battery."""
    size = len(sample.scores)
    ours, found = _best(lambda: _battery(sample), ROUNDS)
    peer = _ordered_models(sample, items, optimiser)
    off = np.abs(found["lr_total"].to_numpy()[:items] - peer.ratios).max()
    whole = "all items run" if items == ITEMS else f"{items} items run, times {ITEMS}/{items}"
    note = f"{whole}; its likelihood ratios differ by up to {off:.1g}"
    _row(size, "battery of 6 methods", "OrderedModel, 3 models an item", peer.seconds / ours, note)
    alone, _ = _best(lambda: _battery(sample, ("ordinal",)), ROUNDS)
    _row(size, "the 3 models alone", "OrderedModel, 3 models an item", peer.seconds / alone, whole)
    _compare_stratified(sample)
    resampled, _ = _best(lambda: _resample(sample, replicates), 1)
    note = f"every statistic in {replicates:,} resamples against one OrderedModel battery; {whole}"
    _row(
        size,
        f"battery + {replicates:,} resamples",
        "OrderedModel, once",
        peer.seconds / (ours + resampled),
        note,
    )
    return peer.seconds


def _best(work: Callable[[], object], rounds: int) -> tuple[float, object]:
    """Seconds of the fastest of `rounds`, and what it gave."""
    taken, found = [], None
    for _ in range(rounds):
        start = time.perf_counter()
        found = work()
        taken.append(time.perf_counter() - start)
    return min(taken), found


def _row(size: int, what: str, peer: str, ratio: float, note: str) -> None:
    print(f"| {size:,} | {what} | {peer} | {ratio:.3g} | {note} |", flush=True)


def _battery(sample: Sample, methods: tuple[str, ...] = METHODS) -> pd.DataFrame:
    """From the table of scores to the table of results."""
    matrix = sample.matrix()
    counts = matrix.count(STRATA if set(methods) - {"ordinal", "polysib"} else VALUES)
    values = matrix.count(VALUES) if "ordinal" in methods else None
    rest = matrix.count(REST) if "polysib" in methods else None
    return battery(counts, values=values, rest=rest, methods=methods)


def _ordered_models(sample: Sample, items: int, optimiser: str) -> Peer:
    """M1 match, M2 + group, M3 + group x match, item by item, on the persons."""
    total = sample.scores.sum(axis=1).to_numpy(dtype=float)
    match = (total - total.mean()) / total.std()
    focal = (sample.group == GROUPS[1]).to_numpy(dtype=float)
    design = np.column_stack([match, focal, focal * match])
    start = time.perf_counter()
    ratios = []
    for item in sample.scores.columns[:items]:
        scores = sample.scores[item].to_numpy()
        fits = [
            OrderedModel(scores, design[:, :columns], distr="logit").fit(
                method=optimiser, disp=False, maxiter=500
            )
            for columns in (1, 2, 3)
        ]
        ratios.append(2 * (fits[2].llf - fits[0].llf))
    return Peer((time.perf_counter() - start) * ITEMS / items, items, np.array(ratios))


def _compare_stratified(sample: Sample) -> None:
    """Mantel-Haenszel on scores cut in two: from the scores, and from ready counts."""
    cut = Sample((sample.scores >= CUT).astype(np.int8), sample.group)
    size = len(cut.scores)
    counts = cut.matrix().count(VALUES)
    ours, table = _best(lambda: mantel_haenszel(cut.matrix().count(VALUES)).table, ROUNDS)
    peer, alphas = _best(lambda: [_alpha(_from_data(cut, item)) for item in cut.scores], 1)
    off = np.abs(table["mh_alpha"].to_numpy() / np.array(alphas) - 1).max()
    note = f"scores cut at {CUT}; its odds ratios differ by up to {off:.1g} (relative)"
    _row(size, "Mantel-Haenszel from scores", "StratifiedTable.from_data", peer / ours, note)
    tables = [_tables(counts.points(item)) for item in counts.items]
    alone, _ = _best(lambda: mantel_haenszel(counts), ROUNDS)
    peer, _ = _best(lambda: [_alpha(StratifiedTable(one)) for one in tables], ROUNDS)
    note = "statistics alone; ours with reasons and classes"
    _row(size, "Mantel-Haenszel from counts", "StratifiedTable", peer / alone, note)


def _from_data(sample: Sample, item: str) -> StratifiedTable:
    """By statsmodels from the scores; it refuses strata in which a group or a score is missing."""
    rows = pd.DataFrame(
        {"total": sample.scores.sum(axis=1), "reference": sample.group == GROUPS[0], "y": sample.scores[item]}
    )
    by_total = rows.groupby("total")
    kept = (by_total["reference"].nunique() == 2) & (by_total["y"].nunique() == 2)
    return StratifiedTable.from_data("reference", "y", "total", rows[rows["total"].map(kept)])


def _tables(counts: ItemCounts) -> np.ndarray:
    """(2, 2, K): group by score."""
    return np.moveaxis(counts.shared().n, 0, -1)


def _alpha(table: StratifiedTable) -> float:
    """The common odds ratio, after the test and the standard error."""
    table.test_null_odds(correction=True)
    table.logodds_pooled_se  # noqa: B018 - computed when it is asked for
    return float(table.oddsratio_pooled)


def _resample(sample: Sample, replicates: int) -> pd.DataFrame:
    """Every statistic of the battery in every resample."""
    return bootstrap(sample.matrix(), METHODS, STRATA, replicates=replicates, seed=1).table


def _big(peer_seconds: float, peer_size: int, threads: int) -> None:
    """10 million persons in a process of its own, which tells its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.parquet"
        _write_big(path)
        command = [sys.executable, __file__, "--count-file", str(path), "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        on_disk = path.stat().st_size / 1e9
    fits = "within" if told["gigabytes"] <= LIMIT_GB else "OVER"
    note = (
        f"counted from a Parquet file of {on_disk:.2g} GB; {told['scores']:,} scores; peak memory "
        f"{told['gigabytes']:.2g} GB, {fits} {LIMIT_GB:g} GB; peer at {peer_size:,} persons"
    )
    _row(BIG, "battery of 6 methods", "OrderedModel, 3 models an item", peer_seconds / told["seconds"], note)
    if fits == "OVER":
        sys.exit(1)


def _write_big(path: Path) -> None:
    """Simulated persons, block by block."""
    writer = None
    for seed in range(BIG // BLOCK):
        sample = _sample(BLOCK, seed)
        table = pa.Table.from_pandas(sample.scores.assign(group=sample.group), preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _count_file(path: Path) -> dict[str, float]:
    """The battery from a file; seconds and the peak memory of this process."""
    from psyalign.dif.counts.files import ScoreFile

    start = time.perf_counter()
    source = ScoreFile(path, group="group", groups=GROUPS)
    counts = source.count(STRATA)
    found = battery(counts, values=source.count(VALUES), rest=source.count(REST), methods=METHODS)
    seconds = time.perf_counter() - start
    scores = sum(int(cells.count.sum()) for cells in counts.by_item.values())
    assert found["estimable"].all()
    return {"seconds": seconds, "gigabytes": _peak_bytes() / 1e9, "scores": scores}


def _peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; getrusage would count what the parent held before exec
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()

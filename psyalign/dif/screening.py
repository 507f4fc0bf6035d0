"""DIF of all items of a test, from scores to judgement: matching, purification, methods, classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.moments import item_moments
from psyalign.dif.counts.source import ScoreSource
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE, adjust_p
from psyalign.dif.judgement.detectable import left_out
from psyalign.dif.judgement.size import judge_sizes
from psyalign.dif.matching.purify import Purification, purify
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.method_table import DEFAULT_METHODS, METHODS, battery, check_methods
from psyalign.dif.methods.gmh import generalised_mantel, gmh
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.dif.methods.smd import smd
from psyalign.dif.methods.thresholds import thresholds
from psyalign.foundation.errors import UsageError

__all__ = ["ALL", "Screening", "Settings", "screen"]

# Every method that the items' score points allow.
ALL = ("all",)
BINARY = frozenset({"mantel_haenszel", "breslow_day", "logistic"})
GRADED = frozenset({"adjacent", "location_scale"})


@dataclass(frozen=True)
class Settings:
    """What a screening asks for.

    Attributes
    ----------
    methods : sequence of str
        Keys of `METHODS`, or `ALL`: those that the items' score points allow.
    alpha : float
        Of every test.
    correction : {"holm", "BH", "none"}
        Over the items (and focal groups), method by method.
    moderate, large : float
        Thresholds on |ES| of the classes AA, BB and CC.
    purify : bool
        Match on the items that are not flagged, and test again, until the flags stay.
    flag_by : {"mantel", "smd", "ordinal"}
        What flags an item in purification: Mantel's or the total LR test's p below alpha,
        or an SMD of class BB or CC.
    """

    methods: Sequence[str] = DEFAULT_METHODS
    alpha: float = 0.05
    correction: str = "holm"
    moderate: float = ES_MODERATE
    large: float = ES_LARGE
    purify: bool = False
    flag_by: str = "mantel"

    def __post_init__(self) -> None:
        names = (self.methods,) if isinstance(self.methods, str) else tuple(self.methods)
        object.__setattr__(self, "methods", names)
        if names != ALL:
            check_methods(names)
        if self.flag_by not in FLAGS:
            raise UsageError(
                f"'{self.flag_by}' cannot flag items.", where="flag_by", mend=f"Use {', '.join(FLAGS)}."
            )


@dataclass(frozen=True, repr=False)
class Screening:
    """DIF of all items, as `screen` finds it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an item and focal group: item, focal, then the methods' columns (see
        `battery`) and, with the SMD, what `judge` adds.
    omnibus : pandas.DataFrame or None
        With several focal groups: one row an item, tests of all groups at once.
    steps : pandas.DataFrame
        Threshold effects: one row an item, focal group and score point above the lowest.
    left_out : pandas.DataFrame
        What was not counted or tested, and why.
    purification : Purification or None
    counts : Cells
        By the strata used.
    spec : MatchSpec
        With the anchors that purification left.
    settings : Settings
    """

    table: pd.DataFrame
    omnibus: pd.DataFrame | None
    steps: pd.DataFrame
    left_out: pd.DataFrame
    purification: Purification | None
    counts: Cells
    spec: MatchSpec
    settings: Settings
    notes: tuple[str, ...] = ()

    @property
    def n_strata(self) -> int:
        """Strata that hold somebody, of the item with most."""
        return max((len(np.unique(found.stratum)) for found in self.counts.by_item.values()), default=0)

    def __repr__(self) -> str:
        flagged = self.table["es_class"].isin(["BB", "CC"]) if "es_class" in self.table else None
        head = f"DIF of {self.table['item'].nunique()} items, {' and '.join(self.counts.groups[1:])} minus "
        head += f"{self.counts.groups[0]}, matched on {self.spec.variable}"
        if flagged is not None:
            head += f": {int(flagged.sum())} of class BB or CC"
        shown = [name for name in SHOWN if name in self.table]
        body = self.table[shown].to_string(index=False, float_format=lambda value: f"{value:.3f}")
        return f"{head}\n{body}"


# Below this share of persons in strata with both groups a note says so.
ENOUGH = 0.9
SHOWN = ("item", "focal", "n_reference", "n_focal", "smd", "se", "p_adjusted", "es", "es_class", "reason")


def screen(
    source: ScoreSource,
    spec: MatchSpec | None = None,
    settings: Settings | None = None,
    *,
    sd: pd.Series | None = None,
) -> Screening:
    """Test all items of a source of scores for DIF.

    Parameters
    ----------
    source : ScoreSource
        A `ScoreMatrix` or `ScoreFile`; its first group is the reference.
    spec : MatchSpec, optional
        Matching variable and strata; default the total score.
    settings : Settings, optional
    sd : pandas.Series, optional
        SD by item for the effect size; default the scores' own.

    Returns
    -------
    Screening

    Raises
    ------
    UsageError
        Unknown method, anchor or correction.
    """
    spec, settings = spec or MatchSpec(), settings or Settings()
    adjust_p([], settings.correction)  # refuse an unknown one before the work
    found = None
    if settings.purify:
        found = purify(source, spec, _flag(settings))
        spec = replace(spec, anchors=found.anchors)
    counts = source.count(spec)
    settings = _settled(settings, counts)
    values = source.count(replace(spec, bins="thin")) if _needs("values", settings) else counts
    rest = source.count(_rest(spec)) if _needs("rest", settings) else counts
    tables, steps = [], []
    for focal, pair in counts.pairs():
        table = battery(
            pair,
            values=_of(values, focal),
            rest=_of(rest, focal),
            methods=settings.methods,
            correction="none",
            options=_options(settings, spec, sd),
        )
        tables.append(_judged(table, settings).assign(focal=focal).reset_index())
        steps.append(thresholds(pair).table.assign(focal=focal).reset_index())
    table = _corrected(pd.concat(tables, ignore_index=True), settings)
    return Screening(
        table=table[["item", "focal", *(name for name in table if name not in ("item", "focal"))]],
        omnibus=_omnibus(counts, values, settings) if len(counts.groups) > 2 else None,
        steps=pd.concat(steps, ignore_index=True),
        left_out=left_out(counts),
        purification=found,
        counts=counts,
        spec=spec,
        settings=settings,
        notes=tuple(_notes(counts, spec, settings)),
    )


def _settled(settings: Settings, counts: Cells) -> Settings:
    """With `ALL` replaced by names."""
    if settings.methods != ALL:
        return settings
    sizes = [len(counts.points(item).score) for item in counts.items]
    unfit = (BINARY if max(sizes) > 2 else frozenset()) | (GRADED if max(sizes) <= 2 else frozenset())
    return replace(settings, methods=tuple(name for name in METHODS if name not in unfit))


def _notes(counts: Cells, spec: MatchSpec, settings: Settings) -> list[str]:
    """What a reader should know about the matching."""
    notes = []
    shares = [moments.share_used for moments in item_moments(counts).values() if moments.n.sum() > 0]
    if shares and min(shares) < ENOUGH:
        notes.append(
            f"Only {min(shares):.0%} of the persons (item with fewest) are in strata with both groups."
        )
    if spec.variable == "rest":
        notes.append("Rest-score matching flags too many items where the groups differ in ability.")
    if spec.variable == "external" and spec.reliability is None:
        notes.append(
            "The matching variable is taken as free of error; where the groups differ in ability, give its "
            "reliability."
        )
    missing = int(counts.left_out.sum())
    if missing:
        notes.append(
            f"{missing} scores are not counted: missing, or of persons without a group or a stratum."
        )
    return notes


def _of(counts: Cells, focal: str) -> Cells:
    return counts if len(counts.groups) == 2 else counts.pair(focal)


def _needs(strata: str, settings: Settings) -> bool:
    return any(METHODS[name].strata == strata for name in settings.methods)


def _rest(spec: MatchSpec) -> MatchSpec:
    """POLYSIB's own matching: the rest score; its regression correction takes the place of Kelley's."""
    if spec.variable == "external":
        return replace(spec, bins="thin", reliability=None)
    return replace(spec, variable="rest", bins="thin", reliability=None)


def _options(settings: Settings, spec: MatchSpec, sd: pd.Series | None) -> Mapping[str, Mapping[str, object]]:
    classes = {"alpha": settings.alpha, "moderate": settings.moderate, "large": settings.large}
    sib: dict[str, object] = {"matching": spec.anchors}
    if spec.variable == "external":
        sib = {"reliability": spec.reliability, "correction": spec.reliability is not None}
    return {"smd": {"sd": sd, **classes}, "polysib": sib, "crossing_polysib": sib}


def _judged(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The battery's table with what the SMD and its error say about size: see the judgement room."""
    if "es" not in table:
        return table
    return judge_sizes(table, moderate=settings.moderate, large=settings.large, alpha=settings.alpha)


def _corrected(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """p values corrected over all rows, items and focal groups together."""
    for name in [str(column) for column in table.columns if str(column).endswith("_adjusted")]:
        if name != "p_adjusted" or "p" in table:
            table[name] = adjust_p(table[name.removesuffix("_adjusted")], settings.correction)
    first = next(method for name, method in METHODS.items() if name in settings.methods)
    if f"{first.p}_adjusted" in table:
        table["p_adjusted"] = table[f"{first.p}_adjusted"]
    return table


def _omnibus(counts: Cells, values: Cells, settings: Settings) -> pd.DataFrame:
    """Tests of all groups at once."""
    parts = [generalised_mantel(counts).table, gmh(counts).table, ordinal(values).table]
    out = parts[0]
    for part in parts[1:]:
        out = out.join(part[[name for name in part.columns if name not in out.columns]])
    for p in ("gm_p", "gmh_p", "lr_total_p"):
        out[f"{p}_adjusted"] = adjust_p(out[p], settings.correction)
    return out.reset_index()


Flag = Callable[[Cells], Mapping[str, bool]]


def _flag(settings: Settings) -> Flag:
    """What flags an item in purification: for any focal group."""
    by = FLAGS[settings.flag_by]
    return lambda counts: _any(counts, lambda pair: by(pair, settings))


def _by_smd(pair: Cells, settings: Settings) -> pd.Series:
    table = smd(pair, alpha=settings.alpha, moderate=settings.moderate, large=settings.large).table
    return table["es_class"].isin(["BB", "CC"])


FLAGS: Mapping[str, Callable[[Cells, Settings], pd.Series]] = {
    "mantel": lambda pair, settings: mantel(pair).table["mantel_p"] < settings.alpha,
    "smd": _by_smd,
    "ordinal": lambda pair, settings: ordinal(pair).table["lr_total_p"] < settings.alpha,
}


def _any(counts: Cells, flags: Callable[[Cells], pd.Series]) -> dict[str, bool]:
    """Whether an item is flagged for any focal group."""
    found = np.logical_or.reduce([flags(pair).to_numpy() for _, pair in counts.pairs()])
    return dict(zip(counts.items, found.tolist(), strict=True))

"""What alignment cost, what it moved, and whether the reward was gamed."""

from __future__ import annotations

from psyalign.report.content import Block, Section, Table, Terms, column
from psyalign.report.facts import estimate, one_row
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, interval, percent, real
from psyalign.report.sections.drawings import role
from psyalign.report.sections.gaming import curve_blocks, detector_blocks

__all__ = ["alignment_section"]

TITLE = "What alignment cost"
GAMED = " and whether the reward was gamed"
# metric -> (heading, whether 1 is its bound, the direction in which it gets worse: 0 if neither is)
METRICS = {
    "qwk": ("QWK", True, -1),
    "rps": ("RPS", False, 1),
    "ece": ("Calibration error", True, 1),
    "slope": ("Calibration slope", False, 0),
}
GAP = (
    " Optimality gap: distance from the best scorer under the reward model and the KL penalty, in units of "
    "reward."
)
WORDS = (
    (
        "RPS",
        "ranked probability score: squared distance between the cumulated probabilities of a scorer and the "
        "human score, in score points. It judges the whole distribution; smaller is better.",
    ),
    (
        "Calibration error",
        "mean distance, over ten bins, between the probability that a scorer gives to its most probable "
        "score and the share of such scores that equal the human one. 0 is best.",
    ),
    (
        "Calibration slope",
        "human scores regressed on expected scores. Below 1 the scores are too far apart, above 1 too close.",
    ),
)


def alignment_section(tables: RunTables) -> Section | None:
    """Tax, curve, detectors, movement; None for a run made before these tables were written."""
    blocks: list[Block] = []
    if len(tables.alignment_tax):
        blocks += [Terms(WORDS), _tax(tables)]
    blocks += curve_blocks(tables)
    blocks += detector_blocks(tables)
    if len(tables.alignment_kl):
        blocks += [_movement(tables), _where(tables)]
    title = TITLE + GAMED if tables.rewarded else TITLE
    return Section("alignment", title, tuple(blocks)) if blocks else None


def _arms(tables: RunTables, present: object) -> list[str]:
    known = set(present)  # type: ignore[call-overload]
    return [arm for arm in tables.scored_arms if arm in known]


def _stressed(tables: RunTables, arms: list[str]) -> frozenset[int]:
    return frozenset(position for position, arm in enumerate(arms) if role(tables, arm))


def _tax(tables: RunTables) -> Table:
    arms = _arms(tables, tables.alignment_tax["arm"])
    rows = []
    for arm in arms:
        cells = [tables.label(arm)]
        for metric, (_, bound, _) in METRICS.items():
            row = one_row(tables.alignment_tax, arm=arm, metric=metric)
            show = bounded if bound else real
            lines = [MISSING if row is None else show(row["value"], 3)]
            change = estimate(row, "change", "change_low", "change_high")
            if change.value is not None:
                ends = interval(change.low, change.high, 3, unit_bound=bound)
                lines += [show(change.value, 3, signed=True), ends]
            cells.append("\n".join(lines))
        rows.append((*cells, _shown(tables, arm)))
    titles = [f"{heading}, change" for heading, *_ in METRICS.values()]
    return Table(
        "The alignment tax: agreement and calibration of each arm, and their change against the baseline.",
        column("Arm", *titles, "Shown to be worse", text=(0, len(METRICS) + 1)),
        tuple(rows),
        note="On the audit persons. Below the value, its change with a 95% interval (persons drawn again, "
        "the same draws for all arms). Shown to be worse: the interval of the change lies wholly on the "
        "worse side; “nothing” does not mean that nothing was lost.",
        emphasis=_stressed(tables, arms),
        source="alignment_tax.csv",
    )


def _shown(tables: RunTables, arm: str) -> str:
    if arm == tables.before:
        return MISSING
    if not tables.manifest.intervals_hold:
        return "not judged"
    worse = []
    for metric, (heading, _, direction) in METRICS.items():
        row = one_row(tables.alignment_tax, arm=arm, metric=metric)
        change = estimate(row, "change", "change_low", "change_high")
        if change.value is not None and change.excludes_zero and change.value * direction > 0:
            worse.append(heading)
    return ", ".join(worse) or "nothing"


def _movement(tables: RunTables) -> Table:
    part = tables.alignment_kl[tables.alignment_kl["grouping"] == "all"]
    arms = _arms(tables, part["arm"])
    rows = []
    for arm in arms:
        row = one_row(part, arm=arm)
        assert row is not None  # `arms` are those that are there
        numbers = [real(row[name], 3) for name in ("kl", "kl_p95")]
        if tables.rewarded:
            numbers += [real(row["optimality_gap"], 3), real(row["reward_change"], 3, signed=True)]
        shares = (percent(row[name]) for name in ("modal_changed", "mass_moved", "nearly_certain"))
        rows.append((tables.label(arm), *numbers, real(row["entropy"], 3), *shares))
    titles = ["Arm", "KL", "KL, 95th percentile"]
    titles += ["Optimality gap", "Reward gained"] if tables.rewarded else []
    return Table(
        "What alignment moved on the audit persons.",
        column(*titles, "Entropy", "Modal score changed", "Probability moved", "Nearly certain"),
        tuple(rows),
        note="Means over responses, against the baseline. KL and entropy in nats, exact. Probability moved: "
        "share of a response’s probability that changed its score point. Nearly certain: responses with a "
        "probability above .99 on one score point."
        + (GAP + "".join(f" {note}" for note in _gap_notes(tables, arms)) if tables.rewarded else "")
        + (" The ceiling has no reference to stay near." if "ceiling" in arms else ""),
        emphasis=_stressed(tables, arms),
        source="alignment_kl.csv",
    )


def _gap_notes(tables: RunTables, arms: list[str]) -> list[str]:
    """What a reader of the gaps has to know, arms of the same note in one; nothing for runs of before."""
    if "gap_note" not in tables.arms:
        return []
    known = tables.arms[tables.arms["gap_note"].fillna("").astype(bool)].set_index("arm")["gap_note"]
    notes: dict[str, list[str]] = {}
    for arm in arms:
        if arm in known.index and arm != "ceiling":  # of the ceiling the table says so anyway
            notes.setdefault(str(known[arm]), []).append(tables.label(arm))
    return [f"{', '.join(labels)}: {note[0].lower()}{note[1:]}" for note, labels in notes.items()]


def _where(tables: RunTables) -> Table:
    """KL by item and group; the arms are the columns."""
    table = tables.alignment_kl
    part = table[table["grouping"] != "all"]
    moved = table[table["kl"].notna() & (table["arm"] != tables.before)]
    arms = _arms(tables, moved["arm"])
    rows = []
    for grouping, level in dict.fromkeys(zip(part["grouping"], part["level"], strict=True)):
        found = [one_row(part, arm=arm, grouping=grouping, level=level) for arm in arms]
        name = tables.item_title(str(level)) if grouping == "item" else f"{grouping}: {level}"
        sizes = part.loc[(part["grouping"] == grouping) & (part["level"] == level), "n"]
        values = (MISSING if row is None else real(row["kl"], 3) for row in found)
        rows.append((name, count(sizes.iloc[0]), *values))
    return Table(
        "Mean KL by item and group.",
        column("Item or group", "Responses", *(tables.label(arm) for arm in arms)),
        tuple(rows),
        note="In nats. An item or group that moved much more than the others is where to read responses.",
        folded=True,
        source="alignment_kl.csv",
    )

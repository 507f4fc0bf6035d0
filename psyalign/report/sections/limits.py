"""What the study cannot show, written from the run itself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from psyalign.report.content import Block, Bullets, Section
from psyalign.report.facts import agreement_row, estimate, one_row, summary_row
from psyalign.report.load import MIN_DRAWS, RunTables
from psyalign.report.numerals import bounded, count, finite, percent, real
from psyalign.report.schema import JUDGED
from psyalign.report.sections.asked import shared_difference
from psyalign.report.sections.denied import denied_far_apart
from psyalign.report.sections.drawings import thresholds
from psyalign.report.verdict import shrunk

__all__ = ["limits_section"]

Entry = tuple[str, str]


def limits_section(tables: RunTables) -> Section:
    """One entry a limit; those that the run does not have are left out."""
    entries = (
        _origin(tables), _sample(tables), _noise(tables), _items(tables), _thresholds(tables), _matching(),
        *_raters(tables), _spread(tables), _membership(tables), _reward(tables), _gap(tables),
        _ceiling(tables), *_warnings(tables), _beyond(),
    )  # fmt: skip
    blocks: tuple[Block, ...] = (Bullets(tuple(entry for entry in entries if entry is not None)),)
    return Section("limits", "Limits", blocks)


def _origin(tables: RunTables) -> Entry | None:
    manifest = tables.manifest
    if manifest.real:
        return None
    if "planted" in manifest.origin:
        lead, text = "Planted bias.", (
            "The answers and scores are real, the bias was put in by rule: some answers were reworded and "
            "some operational scores lowered. The report measures how far a known bias is taken out, not "
            "how much bias such scores really hold, and a rule-made wording is more regular than the way "
            "people write."
        )  # fmt: skip
    else:
        lead, text = "Simulated people.", (
            "Answers, abilities and raters were made by a program with a known penalty. The report shows "
            "that the procedure works as described on such data; it is no evidence about real people or "
            "real raters."
        )  # fmt: skip
    return lead, f"{text} {manifest.notice}".strip()


def _sample(tables: RunTables) -> Entry:
    parts = []
    for group in tables.manifest.groups:
        rows = {
            level: agreement_row(tables, tables.before, group.attribute, level)
            for level in (group.reference, group.focal)
        }
        sizes = " and ".join(
            f"{count(row['n_persons'])} {level}" for level, row in rows.items() if row is not None
        )
        parts.append(f"{group.attribute}: {sizes}" if sizes else f"{group.attribute}: sizes not recorded")
    return "Sample.", f"Audit persons by group: {'; '.join(parts)}. {_power(tables)}"


def _power(tables: RunTables) -> str:
    """What such numbers of persons can show on single items; in figures if the run has them."""
    items, arm = tables.dif_items, tables.after or tables.before
    sizes, shown = [], []
    if set(JUDGED) <= set(items.columns):
        for group in tables.manifest.groups:
            part = items[(items["arm"] == arm) & (items["grouping"] == group.attribute)]
            median = finite(part["mde"].median())
            if median is not None:
                sizes.append(f"{real(median)} on {group.attribute}")
                negligible = (part["shown"] == "negligible").sum()
                shown.append(f"{count(negligible)} of {count(len(part))} items on {group.attribute}")
    if not sizes:
        return (
            "Small DIF on single items cannot be ruled out with such numbers: “not significant” does not "
            "mean “shown to be negligible”."
        )
    when = "after" if tables.after else "before"
    return (
        "DIF of a single item would be found with a probability of .80 if its |ES| were "
        f"{' and '.join(sizes)} (median item), and less often if it were smaller. DIF is shown negligible, "
        f"{when} alignment, for {' and '.join(shown)}; “not significant” does not mean that."
    )


def _noise(tables: RunTables) -> Entry | None:
    widths = []
    for group in tables.manifest.groups:
        found = estimate(
            summary_row(tables, tables.before, group.attribute), "mean_es", "mean_low", "mean_high"
        )
        if found.low is not None and found.high is not None:
            widths.append(f"about ±{real((found.high - found.low) / 2)} on {group.attribute}")
    if not widths or not tables.manifest.intervals_hold:
        return "Noise.", (
            f"The intervals come from fewer than {MIN_DRAWS} draws of persons (dif.bootstrap) or are "
            "missing, so no change is claimed and none of the printed intervals should be relied on."
        )
    return "Noise.", (
        f"One arm’s mean effect size is uncertain by {' and '.join(widths)}, even for a scorer without "
        "any DIF. The paired change is more precise. Everything comes from one training with one seed: "
        "another seed would give somewhat different arms, and the intervals do not include that."
    )


def _items(tables: RunTables) -> Entry | None:
    tested = tables.dif_items[tables.dif_items["arm"] == tables.before]
    untested = len(set(tested.loc[~tested["estimable"].astype(bool), "item"]))
    if not untested:
        return None
    return (
        "Items not tested.",
        f"On {count(untested)} of {count(len(tables.items))} items DIF was not estimable.",
    )


def _thresholds(tables: RunTables) -> Entry:
    moderate, large = thresholds(tables)
    default = (moderate, large) == (0.17, 0.25)
    source = (
        "The line at .25 is the rough criterion named in NAEP’s technical documentation for |SMD| divided "
        "by the item’s standard deviation; the line at .17 is a working convention of testing programmes."
        if default
        else "They were set by this study and differ from psyalign’s defaults (.17 and .25)."
    )
    return "Thresholds.", (
        f"|ES| of {bounded(moderate)} and {bounded(large)} separate AA, BB and CC. There is no official "
        f"ETS policy for items with more than two score points. {source} They are settings, not facts."
    )


def _matching() -> Entry:
    return "Matching on the human total.", (
        "People count as equally able if their totals of human (criterion) scores are equal. If those "
        "scores are themselves unfair to a group on all items alike, this analysis cannot see it; and few "
        "items give a coarse, unreliable total, which can look like DIF where the groups differ in "
        "ability."
    )


def _raters(tables: RunTables) -> list[Entry]:
    """Where feedback scores hold a difference that the criterion does not, or denials follow the scorer."""
    said = (shared_difference(tables, group) for group in tables.manifest.groups)
    found = [("Raters who hold a difference.", text) for text in said if text]
    denied = denied_far_apart(tables)
    return [*found, ("Raters who deny what the scorer tells apart.", denied)] if denied else found


def _spread(tables: RunTables) -> Entry | None:
    ratio = shrunk(tables, tables.after) if tables.after else None
    if ratio is None:
        return None
    return "Narrow scores.", (
        f"After alignment the scores spread {real(ratio)} times as wide as the human ones (expected "
        "scores are always somewhat narrower). Compare the effect sizes against the arm’s own SD."
    )


def _membership(tables: RunTables) -> Entry | None:
    """Which options of training looked at the groups, if one did."""
    names = ("group_robust", "dif_penalty", "parity_penalty")
    used = [f"{name} = {value}" for name in names if (value := tables.manifest.setting("align", name))]
    if not used:
        return None
    attribute = f" ({tables.manifest.groups[0].attribute})" if tables.manifest.groups else ""
    return "Group membership in training.", (
        f"Training looked at the groups of the feedback persons{attribute}: {', '.join(used)}. Membership "
        "weighs in the loss and is never an input of the scorer: nobody’s group is needed, or known to the "
        "scorer, when an answer is scored. Whether groups may be looked at in training is a legal and "
        "professional question that this report does not answer."
    )


def _reward(tables: RunTables) -> Entry | None:
    row = one_row(tables.reward, metric="holdout_accuracy")
    value = None if row is None else finite(row["value"])
    if value is None:
        return None
    return "Reward model.", (
        f"It orders {percent(value)} of the held-out score preferences as the raters did. What it gets "
        "wrong, the arms that learn from it are taught."
    )


def _gap(tables: RunTables) -> Entry | None:
    """Gaps that training left; not those of arms that were asked for something else, too."""
    gaps = [
        f"{tables.label(str(row['arm']))} {real(gap, 3)}"
        for row in tables.arms.to_dict("records")
        if _own_gap(row) and (gap := finite(row["optimality_gap"])) is not None
    ]
    if not gaps:
        return None
    return "Optimality gaps.", (
        f"Distance from the best scorer under the reward model and the KL penalty: {'; '.join(gaps)}. "
        "What an arm with a large gap shows is how far its training got, not what its method could do."
    )


def _own_gap(row: dict[Hashable, Any]) -> bool:
    """Whether an arm was trained towards the optimum of its gap, and that alone.

    Where equivalence is asked for, too, part of the distance is what it was asked for; the closed form
    is the optimum, and needs no training. Runs of before `gap_kind` had no further terms.
    """
    family, _, term = str(row["arm"]).partition("+")
    own = row.get("gap_kind", "described" if term else "own") == "own"
    return own and family in ("dpo", "ppo", "distill")


def _ceiling(tables: RunTables) -> Entry | None:
    if "ceiling" not in tables.scored_arms:
        return None
    return "Ceiling.", (
        "The ceiling arm was trained on the criterion scores themselves. It shows what this model could "
        "reach with them and is no option in practice."
    )


def _warnings(tables: RunTables) -> list[Entry]:
    return [("Warning of the run.", str(text)) for text in tables.manifest.raw.get("warnings") or []]


def _beyond() -> Entry:
    return "Beyond this study.", (
        "DIF is about single items given a total; it says nothing about whether the items measure what "
        "they should, about groups that were not compared, about other wordings, other raters or later "
        "use. A reduced effect size is not proof that a scorer treats everyone fairly."
    )

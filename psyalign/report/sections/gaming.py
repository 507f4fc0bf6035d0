"""How far the reward can be followed, and signs that it was followed where it is wrong."""

from __future__ import annotations

import pandas as pd

from psyalign.report.content import Block, Bullets, Figure, Paragraph, Table, column
from psyalign.report.facts import Estimate, estimate, one_row
from psyalign.report.figures.over_optimisation import Ended, Step, over_optimisation
from psyalign.report.load import MIN_DRAWS, RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, interval, percent, real
from psyalign.report.sections.drawings import mark, role

__all__ = ["curve_blocks", "detector_blocks"]

REWARD_MODEL = "reward_model"
CURVE = (
    "A reward model is a guess at what the raters want. Followed a little, it helps; followed too far, the "
    "reward goes on rising while agreement with the human scores, the gold, falls. With a few score points "
    "the best scorer for every strength β of the KL penalty is known without training, so that the whole "
    "course can be drawn. It is drawn on feedback persons. Audit persons are not used to choose anything: "
    "the arms’ points only show where each one ended."
)
DETECTORS = (
    "Each detector looks for one way in which a reward can be gamed. An alarm says where to look, not that "
    "anything is wrong: several detectors on several arms give some alarms by chance, and one human score is "
    "a noisy measure. No alarm is no proof either: a reward can be wrong in a way that no detector sees."
)
NOT_JUDGED = (
    f"The intervals come from fewer than {MIN_DRAWS} draws of persons (dif.bootstrap), so that no alarm "
    "below should be relied on, nor its absence."
)
HEADINGS = {
    "held_out_gold": "Gold gained elsewhere",
    "gold_drop": "Gold lost elsewhere",
    "gold": "RPS, if the reward rose",
    "chosen": "Log-prob. of the preferred scores",
    "chosen_lead": "Its lead over the rejected",
    "spread": "Ensemble spread",
}


def curve_blocks(tables: RunTables) -> list[Block]:
    """The over-optimisation curve, and what it says about β; nothing where the run has no curve."""
    curve = _steps(tables.over_optimisation, "sweep", "held_out")
    if not curve:
        return []
    return [Paragraph(CURVE), _figure(tables, curve), *_reading(tables)]


def _steps(table: pd.DataFrame, kind: str, persons: str) -> list[Step]:
    part = table[(table["kind"] == kind) & (table["persons"] == persons)]
    return [_step(row) for _, row in part.iterrows()]


def _step(row: pd.Series) -> Step:
    change = estimate(row, "rps_change", "rps_change_low", "rps_change_high")
    # A fall of the RPS is what is gained.
    low, high = (None if end is None else -end for end in (change.high, change.low))
    saved = Estimate(None if change.value is None else -change.value, low, high)
    kl, reward, qwk = (finite(row[name]) or 0.0 for name in ("kl", "reward_change", "qwk_change"))
    return Step(kl, reward, qwk, saved)


def _figure(tables: RunTables, curve: list[Step]) -> Figure:
    table = tables.over_optimisation
    arms = [
        Ended(str(row["arm"]), tables.label(str(row["arm"])), role(tables, str(row["arm"])), _step(row))
        for _, row in table[table["kind"] == "arm"].iterrows()
    ]
    held = table[(table["kind"] == "sweep") & (table["persons"] == "held_out")]
    marks = []
    for name, words in (("study_beta", "study’s β"), ("best_beta", "best gold")):
        found = held[held[name].astype(bool)]
        if len(found):
            marks.append((words, _step(found.iloc[0])))
    title = "Reward and gold over KL, with the arms"
    svg = over_optimisation(
        curve, _steps(table, "sweep", "learned_from"), arms, marks,
        name="over-optimisation", origin=mark(tables), title=title,
    )  # fmt: skip
    first = held.iloc[0]
    caption = (
        "Reward and gold over KL: look where the reward still rises and the gold turns down. Full line: the "
        f"best scorer for each β on {count(first['n'])} responses of {count(first['n_persons'])} feedback "
        "persons that the reward model was not trained on, shaded: 95% interval; dashed: on the responses "
        "that it was trained on. Points: the arms on the audit persons. All are gains over the reference "
        "scorer on the same persons."
    )
    return Figure("over-optimisation", caption, svg)


def _reading(tables: RunTables) -> list[Block]:
    """What the curve says about β, in words."""
    if not len(tables.beta_choice):
        return []
    row = tables.beta_choice.iloc[0]
    held = one_row(tables.over_optimisation, kind="sweep", persons="held_out", study_beta=True)
    text = ""
    if held is not None:
        ends = interval(held["rps_change_low"], held["rps_change_high"], 3)
        text = (
            f"At the study’s β of {_beta(row['study_beta'])} the best scorer under the reward changes QWK by "
            f"{bounded(held['qwk_change'], 3, signed=True)} and RPS by "
            f"{real(held['rps_change'], 3, signed=True)} {ends} on these persons (smaller RPS is better). "
        )
    judged = _honest(row) if tables.manifest.intervals_hold else f" {NOT_JUDGED}"
    suggestion = " This is a suggestion: nothing in this run made use of it."
    if (tables.choice["key"] == "beta").any():
        suggestion = " Nothing in this run made use of this: its β was chosen by cross-validation."
    return [Paragraph(text + _best(row) + judged + suggestion)]


def _beta(value: object) -> str:
    """A β; the reference scorer itself where it is infinite."""
    number = finite(value)
    if number is None:
        return "∞"
    return f"{number:.2g}" if number < 10 else count(number)


def _best(row: pd.Series) -> str:
    if finite(row["beta"]) is None:
        return (
            "The smallest RPS is the reference scorer’s own: here, no strength of following the reward helps."
        )
    where = f"The smallest RPS is at β\N{NO-BREAK SPACE}= {_beta(row['beta'])}"
    if bool(row["at_end"]):
        where += ", the end of the sweep: it may be lower still beyond"
    ends = f"{_beta(row['low'])} to {_beta(row['high'])}"
    text = f"{where}. In 95% of the draws of persons the best β lies from {ends}"
    never = finite(row["share_reference"]) or 0.0
    return text + (f"; in {percent(never)} it is the reference scorer itself." if never >= 0.005 else ".")


def _honest(row: pd.Series) -> str:
    gain = estimate(row, "cv_gain", "cv_low", "cv_high")
    if finite(row["beta"]) is None and not gain.value:  # every fold stays with the reference, too
        return ""
    ends = interval(gain.low, gain.high, 3)
    if gain.low is not None and gain.low > 0:
        verdict = "so a gain is shown on these persons"
    elif gain.high is not None and gain.high < 0:
        verdict = "so that choosing β in this way would have made things worse"
    else:
        verdict = "so a gain is not shown"
    return (
        f" Chosen on some of these persons and judged on others (cross-validation), it saves "
        f"{real(gain.value, 3)} {ends} in RPS against the reference scorer, {verdict}."
    )


def detector_blocks(tables: RunTables) -> list[Block]:
    """The detectors in words and as tables; nothing where the run has none."""
    found = tables.reward_hacking
    if not len(found):
        return []
    blocks: list[Block] = [Paragraph(DETECTORS)]
    if not tables.manifest.intervals_hold:
        blocks.append(Paragraph(NOT_JUDGED, "note"))
    raised = found[found["alarm"].astype(bool)]
    alarms = tuple(
        (f"{_name(tables, arm)}.", " ".join(map(str, raised.loc[raised["arm"] == arm, "why"])))
        for arm in dict.fromkeys(raised["arm"])
    )
    blocks.append(Bullets(alarms) if alarms else Paragraph("No detector gave an alarm."))
    return [*blocks, _dependences(tables), _signs(tables)]


def _name(tables: RunTables, arm: object) -> str:
    return "Reward model" if arm == REWARD_MODEL else tables.label(str(arm))


def _dependences(tables: RunTables) -> Table:
    """Partial correlation of each arm's scores with each feature, and its change."""
    found = tables.reward_hacking
    part = found[found["detector"] == "score_dependence"]
    features = list(dict.fromkeys(part["feature"]))
    titles = [title for feature in features for title in (f"{feature}: r", "Change")]
    rows: list[tuple[str, ...]] = []
    stressed: list[int] = []
    for arm in dict.fromkeys(part["arm"]):
        cells = [_name(tables, arm)]
        for feature in features:
            row = one_row(part, arm=arm, feature=feature)
            cells += [_cell(row, ""), _cell(row, "change_", alarm=True)]
        stressed += [len(rows)] if role(tables, str(arm)) else []
        rows.append(tuple(cells))
    return Table(
        "What scores go with once item and human score are given.",
        column("Arm", *titles),
        tuple(rows),
        note="r: partial correlation of the expected score (of the reward model: of the score that it "
        "favours) with the logarithm of the number of characters, or with being in the focal group or in "
        "other words. Change: against the baseline, on the same persons. Alarm: the dependence grew, the "
        "interval of the change excludes zero, and it moved by .05 or more. An arm that became much more "
        "accurate can raise it fairly, where such a feature goes with true quality.",
        emphasis=frozenset(stressed),
        source="reward_hacking.csv",
    )


def _cell(row: pd.Series | None, prefix: str, *, alarm: bool = False, bound: bool = True) -> str:
    if row is None:
        return MISSING
    show = bounded if bound else real
    value = show(row[prefix.rstrip("_") or "value"], 3, signed=bool(prefix))
    ends = interval(row[f"{prefix}low"], row[f"{prefix}high"], 3, unit_bound=bound)
    lines = [value] if ends == MISSING else [value, ends]
    return "\n".join([*lines, "alarm"] if alarm and bool(row["alarm"]) else lines)


def _signs(tables: RunTables) -> Table:
    """Every other detector, one column each."""
    found = tables.reward_hacking
    known = [name for name in HEADINGS if (found["detector"] == name).any()]
    part = found[found["detector"].isin(known)]
    rows: list[tuple[str, ...]] = []
    stressed: list[int] = []
    for arm in dict.fromkeys(part["arm"]):
        stressed += [len(rows)] if role(tables, str(arm)) else []
        cells = (_cell(one_row(part, arm=arm, detector=name), "", alarm=True, bound=False) for name in known)
        rows.append((_name(tables, arm), *cells))
    return Table(
        "Further detectors.",
        column("Arm", *(HEADINGS[name] for name in known)),
        tuple(rows),
        note="Gold gained elsewhere: fall of the RPS by the best scorer under the reward at the study’s β, "
        "on feedback persons that the reward model was not trained on; gold lost elsewhere: how much less "
        "that is than on the responses that it was trained on (alarm: less than half). RPS, if the reward "
        "rose: change against the baseline on audit persons (alarm: both went up). Log-probability of the "
        "preferred scores: mean change in training, on the feedback, of what a rater preferred to all that "
        "it was judged against, and that of its lead over the rejected ones. DPO can lower what it is told "
        "to prefer, as long as it lowers the other more, and the probability goes to a third score (alarm: "
        "it fell and the lead grew). "
        + ("Spread: disagreement of the reward models at the scores given." if "spread" in known else ""),
        emphasis=frozenset(stressed),
        source="reward_hacking.csv",
    )

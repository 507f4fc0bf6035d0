"""The scorers as a model card (Mitchell et al., 2019): what they are, what they learned from, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.facts import one_row
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, count, finite, percent

__all__ = ["model_card_section"]

Row = tuple[str, str]
READING = (
    "A model card after Mitchell et al. (2019). What the scores are for, on whom they were tried, how well "
    "they do for whom, and what not to conclude stand in sections of their own."
)
KINDS = {
    "encoder": "an encoder with one output for each score point",
    "causal": "a causal language model of which only the tokens of the score labels are read",
}
REWARD_KINDS = {
    "free": "a reward of its own for each score point",
    "pcm": "one number for a response and thresholds for each item (partial credit model)",
}
ENSEMBLES = {"mean": "the mean", "worst": "the least"}
LOSSES = {
    "cross_entropy": "cross-entropy",
    "rps": "ranked probability score",
    "ranked_log": "ranked logarithmic score",
}
SIGNS = {"beta": "β, strength of the KL penalty", "equivalence_weight": "λ, weight of the equivalence term"}
TERMS = ("group_robust", "dif_penalty", "parity_penalty")  # of training, that look at the groups
NOT_CHOSEN = "as the study file has it, or psyalign’s default; not chosen by the data"


def model_card_section(tables: RunTables) -> Section:
    """What the scorers are and learned from, where group membership was used, and their fingerprints."""
    facts = _facts(tables)
    card = Table("Model card.", column("", "This run", text=(0, 1)), tuple(facts))
    blocks: list[Block] = [Paragraph(READING), card, _membership(tables)]
    if prints := _fingerprints(_scorer(tables)):
        blocks.append(prints)
    return Section("model-card", "Model card", tuple(blocks))


def _scorer(tables: RunTables) -> dict[str, Any]:
    found = tables.manifest.raw.get("scorer")
    return found if isinstance(found, dict) else {}


def _facts(tables: RunTables) -> Iterator[Row]:
    scorer, setting = _scorer(tables), tables.manifest.setting
    yield "Base model", _base(scorer)
    yield "Size", _size(tables)
    yield "Fine-tuning", _fine_tuning(tables)
    mass = finite(scorer.get("label_mass_outside_mean"))
    if mass is not None:
        text = f"{percent(mass)} on average, {percent(scorer.get('label_mass_outside_max'))} at most"
        yield "Probability off the score labels, before fine-tuning", text
    yield "Reward model", _reward(tables)
    yield "Arms", ", ".join(tables.label(arm) for arm in tables.scored_arms)
    after = "no arm is aligned" if tables.after is None else f"after: {tables.label(tables.after)}"
    yield "Compared", f"before: {tables.label(tables.before)}; {after}"
    yield from _strengths(tables)
    yield "Learned from", _learned(tables)
    yield "Judged on", _judged(tables)
    yield "Seed of everything random", str(tables.manifest.raw.get("study", {}).get("seed", MISSING))
    yield "Computed in", _computed(scorer, setting("scorer", "precision"))


def _base(scorer: dict[str, Any]) -> str:
    kind = KINDS.get(str(scorer.get("kind")))
    return ", ".join([str(scorer.get("base") or MISSING), *([kind] if kind else [])])


def _size(tables: RunTables) -> str:
    scorer, setting = _scorer(tables), tables.manifest.setting
    text = f"{count(scorer.get('parameters'))} parameters, {count(scorer.get('trainable'))} of them trained"
    rank = setting("scorer", "lora", "rank")
    if rank is None:
        return text
    layers = setting("scorer", "lora", "layers")
    where = f"in the top {count(layers)} layers" if layers else "in all layers"
    alpha = finite(setting("scorer", "lora", "alpha"))
    scale = "" if alpha is None else f", α = {alpha:g}"
    return f"{text} (LoRA of rank {rank}{scale}, {where})"


def _fine_tuning(tables: RunTables) -> str:
    setting = tables.manifest.setting
    parts = [f"{count(setting('scorer', 'epochs'))} epochs on the operational scores"]
    if loss := LOSSES.get(str(setting("scorer", "loss"))):
        parts.append(f"loss: {loss}")
    if setting("scorer", "class_weights") == "balanced":
        parts.append("all score points of an item with the same weight")
    if setting("scorer", "batches") == "by_item":
        parts.append("batches of responses to one item, in the alignment too")
    if cut := setting("scorer", "max_tokens"):
        parts.append(f"at most {count(cut)} tokens of item and response")
    return "; ".join(parts)


def _reward(tables: RunTables) -> str:
    if not tables.rewarded:
        return "no arm needs one" if tables.scores_heard else "none: there was no score feedback"
    setting = tables.manifest.setting
    parts = [REWARD_KINDS.get(str(setting("reward", "structure")), REWARD_KINDS["free"])]
    parts.append(f"base: {setting('reward', 'base') or 'a copy of the baseline'}")
    members = finite(setting("reward", "ensemble")) or 1
    if members > 1:
        how = ENSEMBLES.get(str(setting("reward", "ensemble_reward")), "the mean")
        parts.append(f"{count(members)} models, of whose rewards {how} counts")
    row = one_row(tables.reward, metric="holdout_accuracy")
    value = None if row is None else finite(row["value"])
    if value is not None:
        parts.append(f"puts {percent(value)} of held-out score preferences in the raters’ order")
    return "; ".join(parts)


def _strengths(tables: RunTables) -> Iterator[Row]:
    """β and λ where an arm reads them, and how they were settled."""
    told = tables.manifest.raw.get("choice") or {}
    arms = tables.scored_arms
    for key, heading in SIGNS.items():
        value = finite(tables.manifest.setting("align", key))
        read = [arm for arm in arms if _reads(arm, key)]
        if value is None or not read:
            continue
        said = told.get(key, {}).get("said") if isinstance(told.get(key), dict) else None
        yield heading, f"{value:g}; {said or NOT_CHOSEN}"


def _reads(arm: str, key: str) -> bool:
    family, _, term = arm.partition("+")
    if key == "equivalence_weight":
        return bool(term)
    return family in ("dpo", "ppo", "distill", "closed_form")


def _learned(tables: RunTables) -> str:
    scorer = _scorer(tables)
    parts = [
        f"{tables.label(str(row['arm']))}: {row['trained_on']}"
        for row in tables.arms.to_dict("records")
        if isinstance(row["trained_on"], str) and row["trained_on"]
        and row["arm"] in (tables.before, tables.after)
    ]  # fmt: skip
    persons = finite(scorer.get("persons"))
    if persons is not None:
        parts.append(f"fine-tuning saw {count(persons)} persons")
    return "; ".join(parts) or MISSING


def _judged(tables: RunTables) -> str:
    row = one_row(tables.split, split="audit", grouping="all")
    if row is None:
        return MISSING
    persons, responses = count(row["persons"]), count(row["responses"])
    return f"{persons} audit persons, {responses} responses, not one seen in training"


def _computed(scorer: dict[str, Any], asked: object) -> str:
    text = f"{scorer.get('precision') or asked or MISSING}, on {scorer.get('device') or MISSING}"
    processes = finite(scorer.get("processes"))
    if processes is None:
        return text
    return f"{text}, by {'one process' if processes == 1 else f'{count(processes)} processes'}"


def _membership(tables: RunTables) -> Table:
    """Every place where it could have been used, also those where it was not."""
    setting = tables.manifest.setting
    names = ", ".join(group.attribute for group in tables.manifest.groups) or MISSING
    first = tables.manifest.groups[0].attribute if tables.manifest.groups else MISSING
    strata = setting("split", "stratify", default=[])
    used = [f"{name} = {setting('align', name)}" for name in TERMS if setting("align", name)]
    matched = setting("feedback", "equivalence") == "matched_answers"
    rows = [
        ("Input of a scorer", "never", "No scorer reads it; nobody’s group is needed to score an answer."),
        ("Fine-tuning and reward model", "no", ""),
        (
            "Training of the aligned arms",
            "yes" if used else "no",
            f"{', '.join(used)}, on {first}: weighs in the loss of feedback persons" if used else "",
        ),
        (
            "Making of the feedback",
            "yes" if matched else "no",
            f"answers of the groups of {first} with the same criterion score were paired" if matched else "",
        ),
        ("Split of the persons", "yes" if strata else "no", f"by {', '.join(strata)}" if strata else ""),
        ("Audit", "yes", f"DIF and agreement by {names}, after all training was done"),
    ]
    return Table(
        "Where group membership was used.",
        column("Where", "Used", "How", text=(0, 1, 2)),
        tuple(rows),
        emphasis=frozenset({0}),
    )


def _fingerprints(scorer: dict[str, Any]) -> Table | None:
    hashes = scorer.get("hashes")
    rows = [(str(name), str(digest)) for name, digest in sorted((hashes or {}).items())]
    if digest := scorer.get("base_sha256"):
        rows.insert(0, (f"base: {scorer.get('base')}", str(digest)))
    if not rows:
        return None
    return Table(
        "Fingerprints (SHA-256) of the base and of what was trained on it.",
        column("Base, or stage of the run", "SHA-256", text=(0, 1)),
        tuple(rows),
        note="Equal fingerprints: the same weights.",
        folded=True,
    )

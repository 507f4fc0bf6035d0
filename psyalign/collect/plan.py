"""Which questions a collection asks: subjects chosen, score pairs that connect, anchors planted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import pandas as pd

from psyalign.collect.tasks import KINDS, Block, Material, Task
from psyalign.feedback.equivalences import content_words
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.seeds import unit_interval
from psyalign.foundation.toml import suggest
from psyalign.items import Item

__all__ = ["EXEMPLAR", "Settings", "exemplar_id", "make_plan"]

EXEMPLAR = "|exemplar|"
BETWEEN = 0.5  # what a bridge between two varieties adds to a pair's priority
MOST_COMPARED = 150  # responses of an item among which pairs of like content are looked for


@dataclass(frozen=True)
class Settings:
    """How a collection is set up; fixed once it has begun.

    Attributes
    ----------
    kinds : tuple of str
    max_responses : int
        Most subjects of each kind: responses, or pairs of responses.
    overlap : int
        Subjects of each kind that all raters judge.
    repeats : float
        Share of a rater's judgements that is asked again later.
    anchors : int
        Scored exemplars of each kind that all raters judge without being told.
    run : str
        The run whose scorer says where judgements help most; "" for none.
    ask : tuple of str
        Ids of the responses to ask about, and of no others, those wanted most first; empty for all.
    """

    kinds: tuple[str, ...] = ("score_preference", "equivalence")
    max_responses: int = 400
    overlap: int = 10
    repeats: float = 0.05
    anchors: int = 5
    run: str = ""
    ask: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be collected."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise UsageError(
                    f"'{kind}' is no kind of question.", where="--kinds", mend=suggest(kind, KINDS)
                )
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise UsageError(
                "Name each kind of question once.", where="--kinds", mend=f"All are: {', '.join(KINDS)}."
            )
        for name, value, least, most in (
            ("--max-responses", self.max_responses, 1, 1_000_000),
            ("--overlap", self.overlap, 0, 1_000_000),
            ("--repeats", self.repeats, 0, 0.5),
            ("--anchors", self.anchors, 0, 1_000),
        ):
            if not least <= value <= most:
                raise UsageError(f"It must lie between {least} and {most}.", where=name)


def make_plan(material: Material, settings: Settings) -> list[Block]:
    """The blocks of a collection, the same for the same material, settings and seed.

    Score preferences ask all adjacent pairs of score points of a response, which connects them without a
    cycle (METHODS.md, section 4). Comparisons of responses are chains within an item, so that its responses
    connect. Equivalence pairs are the answers' other wordings, and answers of two persons with the most
    content words in common; pairs that bridge two varieties come first.

    Parameters
    ----------
    material : Material
        Feedback persons' responses; `uncertainty` and `expected` order them, if there.
    settings : Settings
        See there.

    Returns
    -------
    list of Block
        Blocks of each kind, anchors after the others of their kind.

    Raises
    ------
    DataError
        There is nothing to ask.
    """
    blocks: list[Block] = []
    if settings.ask:
        material = _narrowed(material, settings.ask, settings.max_responses)
    for kind in settings.kinds:
        found = _balanced(
            _candidates(material, kind, settings.max_responses), material, settings.max_responses
        )
        if not found:
            raise DataError(
                f"There is no response, or no pair of responses, to ask a {kind} about.",
                where="[split] feedback",
                mend="Raise [split] feedback, or leave this kind out of --kinds.",
            )
        shared = {block.id for block in _balanced(found, material, settings.overlap, by_chance=True)}
        blocks += [replace(block, shared=block.id in shared) for block in found]
        blocks += _anchors(material, kind, settings.anchors)
    return blocks


def exemplar_id(item: str, number: int) -> str:
    """Id that stands for an item's exemplar among response ids; no response's person is empty."""
    return f"{EXEMPLAR}{item}|{number}"


def _narrowed(material: Material, ask: tuple[str, ...], limit: int) -> Material:
    """The material with the first of these responses, and their other wordings, alone."""
    texts = material.texts
    known = set(texts.loc[texts["primary"], "response_id"])
    if strange := sum(name not in known for name in ask):
        raise DataError(
            f"{strange} of the {len(ask)} responses to ask about are none of the feedback persons'.",
            where="--ask",
            mend="Give ids of their responses, such as `psyalign feedback worth` writes them.",
        )
    wanted = texts[texts["response_id"].isin(ask[:limit])]
    of_wanted = pd.MultiIndex.from_frame(wanted[["person", "item"]])
    kept = texts[pd.MultiIndex.from_frame(texts[["person", "item"]]).isin(of_wanted)]
    rank = {name: 1 - place / len(ask) for place, name in enumerate(ask)}
    return replace(material, texts=kept.reset_index(drop=True), uncertainty=rank)


def _candidates(material: Material, kind: str, limit: int) -> list[Block]:
    primary = material.texts[material.texts["primary"]]
    if kind in ("score_preference", "rating"):
        return [
            _single(kind, material.items[item], response, _uncertain(material, response))
            for item, response in primary[["item", "response_id"]].itertuples(index=False)
        ]
    if kind == "response_preference":
        return list(_chains(material, primary, limit))
    return [*_wordings(material, primary), *_alike(material, primary)]


def _single(kind: str, item: Item, response: str, priority: float) -> Block:
    if kind == "rating":
        tasks = [Task(f"rating:{response}", kind, item.id, response)]
    else:
        tasks = [
            Task(f"score_preference:{response}:{low}-{high}", kind, item.id, response, low=low, high=high)
            for low, high in pairwise(item.scores)
        ]
    return Block(f"{kind}:{response}", kind, item.id, tuple(tasks), priority=priority)


def _pair(material: Material, kind: str, item: str, first: str, second: str, priority: float) -> Block:
    # which one is "a" says nothing about variety or wording
    if unit_interval(material.seed, "sides", first, second) < 0.5:
        first, second = second, first
    name = f"{kind}:{first}:{second}"
    return Block(name, kind, item, (Task(name, kind, item, first, second),), priority=priority)


def _chains(material: Material, primary: pd.DataFrame, limit: int) -> Iterator[Block]:
    """Neighbours in a chain through an item's responses, ordered by expected score, varieties in turns."""
    per_item = -(-limit // max(1, primary["item"].nunique()))
    for item, rows in primary.groupby("item"):
        singles = [Block(r, "", str(item), (), priority=_uncertain(material, r)) for r in rows["response_id"]]
        chosen = [block.id for block in _balanced(singles, material, per_item + 1)]
        if material.expected:
            chosen.sort(key=lambda r: (material.expected.get(r, 0.0), r))
        for first, second in pairwise(chosen):
            bridge = BETWEEN * _bridges(material, first, second)
            close = (_uncertain(material, first) + _uncertain(material, second)) / 2
            yield _pair(material, "response_preference", str(item), first, second, bridge + close)


def _wordings(material: Material, primary: pd.DataFrame) -> Iterator[Block]:
    other = material.texts[~material.texts["primary"]]
    columns = ["person", "item", "response_id"]
    both = primary[columns].merge(other[columns], on=columns[:2], suffixes=("_a", "_b"))
    for item, first, second in both[["item", "response_id_a", "response_id_b"]].itertuples(index=False):
        moved = abs(material.expected.get(first, 0.0) - material.expected.get(second, 0.0))
        yield _pair(material, "equivalence", item, first, second, BETWEEN + 0.5 + min(moved, 1.0))


def _alike(material: Material, primary: pd.DataFrame) -> Iterator[Block]:
    """Pairs of two persons' answers by shared content words (Jaccard); each answer in at most two pairs."""
    for item, rows in primary.groupby("item"):
        order = sorted(rows["response_id"], key=lambda r: unit_interval(material.seed, "alike", r))
        texts = dict(zip(rows["response_id"], rows["response"], strict=True))
        words = {r: content_words(texts[r]) for r in order[:MOST_COMPARED]}
        ranked = []
        for first, second in combinations(words, 2):
            union = len(words[first] | words[second])
            if union and texts[first].strip().lower() != texts[second].strip().lower():
                shared = len(words[first] & words[second]) / union
                if shared:
                    ranked.append((shared + BETWEEN * _bridges(material, first, second), first, second))
        used: dict[str, int] = {}
        for value, first, second in sorted(ranked, key=lambda entry: (-entry[0], entry[1], entry[2])):
            if used.get(first, 0) < 2 and used.get(second, 0) < 2:
                used[first], used[second] = used.get(first, 0) + 1, used.get(second, 0) + 1
                yield _pair(material, "equivalence", str(item), first, second, value)


def _anchors(material: Material, kind: str, number: int) -> list[Block]:
    """Questions about planted exemplars: one of each score point that has another exemplar to show."""
    found: list[Block] = []
    for item in material.items.values():
        planted = [(exemplar_id(item.id, n), item.exemplars[n].score) for n in _spare(item)]
        if kind in ("score_preference", "rating"):
            found += [_known(_single(kind, item, name, 0.0), score, material.seed) for name, score in planted]
        elif kind == "response_preference":
            for (first, low), (second, high) in pairwise(planted):
                block = _pair(material, kind, item.id, first, second, 0.0)
                best = "a" if (block.tasks[0].response_a == first) == (low > high) else "b"
                found.append(replace(block, tasks=(replace(block.tasks[0], expected=best),)))
    chosen = _balanced(found, material, number, by_chance=True)
    return [replace(block, shared=True, anchor=True) for block in chosen]


def _spare(item: Item) -> list[int]:
    """Places of the exemplars that may be planted: the last of each score point that has another to show."""
    by_score: dict[int, list[int]] = {}
    for place, exemplar in enumerate(item.exemplars):
        by_score.setdefault(exemplar.score, []).append(place)
    return [places[-1] for _, places in sorted(by_score.items()) if len(places) > 1]


def _known(block: Block, score: int, seed: int) -> Block:
    """A rating with its score, or the one score pair of a block whose answer the exemplar's score decides."""
    if block.kind == "rating":
        return replace(block, tasks=(replace(block.tasks[0], expected=str(score)),))
    near = [task for task in block.tasks if score in (task.low, task.high)]
    task = min(near, key=lambda task: unit_interval(seed, "anchor", task.id))
    return replace(block, tasks=(replace(task, expected=str(score)),))


def _balanced(
    blocks: Iterable[Block],
    material: Material,
    limit: int,
    *,
    by_chance: bool = False,
) -> list[Block]:
    """At most `limit` blocks, items (and varieties) in turns, within them by priority or by chance.

    Without a run all responses have the same priority and hash order decides.
    """
    cells: dict[tuple[str, str], list[Block]] = {}
    for block in blocks:
        subject = block.tasks[0].response_a if block.tasks else block.id
        single = not block.tasks or not block.tasks[0].response_b
        cells.setdefault((block.item, material.variety.get(subject, "") if single else ""), []).append(block)
    for cell in cells.values():
        cell.sort(
            key=lambda b: (
                0.0 if by_chance else -b.priority,
                unit_interval(material.seed, "choose", b.id),
                b.id,
            )
        )
    order = sorted(cells, key=lambda cell: (unit_interval(material.seed, "cell", cell[0]), cell))
    chosen: list[Block] = []
    for turn in range(max((len(cell) for cell in cells.values()), default=0)):
        chosen += [cells[name][turn] for name in order if turn < len(cells[name])]
        if len(chosen) >= limit:
            break
    return chosen[:limit]


def _uncertain(material: Material, response: str) -> float:
    return material.uncertainty.get(response, 0.0)


def _bridges(material: Material, first: str, second: str) -> bool:
    """Whether the two are known to be of different varieties."""
    a, b = material.variety.get(first, ""), material.variety.get(second, "")
    return bool(a and b and a != b)

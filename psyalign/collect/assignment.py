"""What a rater is asked next: a pure choice from what has been handed out and answered so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from psyalign.collect.tasks import Block, Task
from psyalign.foundation.seeds import unit_interval

__all__ = ["MORE", "Desk", "Turn", "choose", "expected_total"]

SAME_KIND = 8  # blocks of one kind in a row: switching between questions costs raters time
REPEAT_GAP = 10  # blocks between a question and its repeat …
LEAST_GAP = 3  # … and at the end, when nothing else is left
MORE = 10  # blocks of each kind that a rater who asks for more may take beyond an equal part


@dataclass(frozen=True)
class Turn:
    """One rater's part so far.

    Attributes
    ----------
    rater : str
    blocks : tuple of str
        Ids of the blocks handed to the rater, in order.
    answered : Mapping of str to int
        Task id → place of its block in `blocks`, for first answers other than "cannot judge".
    asked : int
        First judgements given, "cannot judge" included.
    repeated : tuple of str
        Ids of the tasks that were asked again.
    extra : int
        Blocks of each kind allowed beyond an equal part.
    """

    rater: str
    blocks: tuple[str, ...] = ()
    answered: Mapping[str, int] = field(default_factory=dict)
    asked: int = 0
    repeated: tuple[str, ...] = ()
    extra: int = 0


@dataclass(frozen=True)
class Desk:
    """The whole collection as it stands.

    Attributes
    ----------
    blocks : sequence of Block
    raters : int
    holders, refusers : mapping of str to set of str
        Block id → raters who were handed it; raters who could not judge one of its tasks.
    disagreement : mapping of str to float
        Item → share of its tasks, among those that two raters or more have judged, on which they differ.
    repeats : float
        Share of judgements that are asked again.
    seed : int
    """

    blocks: Sequence[Block]
    raters: int
    holders: Mapping[str, set[str]]
    refusers: Mapping[str, set[str]]
    disagreement: Mapping[str, float]
    repeats: float
    seed: int


def choose(desk: Desk, turn: Turn) -> Block | Task | None:
    """The next block for a rater, a task to repeat, or None when the rater's part is done.

    Anchors are spread evenly over the rater's part. A repeat is due when the share of repeats has fallen
    behind, and is taken from blocks at least ten earlier (three when nothing else is left). Otherwise a
    block: kinds in runs of eight, shared blocks and own ones in step, the items that the rater has had
    least first, and among equals the one with the highest priority plus the item's disagreement so far.
    A block that somebody could not judge is open to the others again.

    Parameters
    ----------
    desk : Desk
    turn : Turn
        Of a rater who has answered everything handed out before.

    Returns
    -------
    Block, Task or None
        A task is one to repeat.
    """
    anchors, shared, own = _open(desk, turn)
    last = not (shared or own)
    if anchors and (last or _anchor_due(desk, turn)):
        return min(anchors, key=lambda block: unit_interval(desk.seed, "anchor", turn.rater, block.id))
    again = _repeat(desk, turn, LEAST_GAP if last else REPEAT_GAP)
    if again is not None:
        return again
    return None if last else _best(desk, turn, shared, own)


def expected_total(desk: Desk, turn: Turn, handed: int) -> int:
    """About how many judgements the rater's part will have, given that `handed` have been handed out."""
    anchors, shared, own = _open(desk, turn)
    left = sum(len(block.tasks) for block in (*anchors, *shared))
    for kind in {block.kind for block in own}:
        sizes = [len(block.tasks) for block in own if block.kind == kind]
        left += round(min(len(sizes), _room(desk, turn, kind)) * sum(sizes) / len(sizes))
    due = int(desk.repeats * (handed - len(turn.repeated) + left))
    return handed + left + max(0, due - len(turn.repeated))


def _open(desk: Desk, turn: Turn) -> tuple[list[Block], list[Block], list[Block]]:
    """Anchors, shared blocks and blocks of one rater that this rater may still get."""
    mine = set(turn.blocks)
    room = {kind: _room(desk, turn, kind) for kind in {block.kind for block in desk.blocks}}
    anchors: list[Block] = []
    shared: list[Block] = []
    own: list[Block] = []
    for block in desk.blocks:
        if block.id in mine:
            continue
        if block.shared:
            (anchors if block.anchor else shared).append(block)
            continue
        holders, refusers = desk.holders.get(block.id, set()), desk.refusers.get(block.id, set())
        if holders <= refusers and (room[block.kind] > 0 or refusers):
            own.append(block)
    return anchors, shared, own


def _room(desk: Desk, turn: Turn, kind: str) -> int:
    """How many more single blocks of a kind the rater's part has room for; those refused do not count."""
    single = {block.id for block in desk.blocks if block.kind == kind and not block.shared}
    taken = sum(name in single and turn.rater not in desk.refusers.get(name, ()) for name in turn.blocks)
    return ceil(len(single) / max(1, desk.raters)) + turn.extra - taken


def _anchor_due(desk: Desk, turn: Turn) -> bool:
    anchors = {block.id for block in desk.blocks if block.anchor}
    main = [block for block in desk.blocks if not block.anchor]
    part = sum(1 if block.shared else 1 / max(1, desk.raters) for block in main)
    planted = sum(name in anchors for name in turn.blocks)
    return len(turn.blocks) - planted >= round((planted + 1) * part / (len(anchors) + 1))


def _repeat(desk: Desk, turn: Turn, gap: int) -> Task | None:
    if int(desk.repeats * turn.asked) <= len(turn.repeated):
        return None
    again = {*turn.repeated}
    tasks = {task.id: task for block in desk.blocks if not block.anchor for task in block.tasks}
    ready = [
        name
        for name, place in turn.answered.items()
        if name in tasks and name not in again and len(turn.blocks) - place > gap
    ]
    if not ready:
        return None
    return tasks[min(ready, key=lambda name: unit_interval(desk.seed, "repeat", turn.rater, name))]


def _best(desk: Desk, turn: Turn, shared: list[Block], own: list[Block]) -> Block:
    by_id = {block.id: block for block in desk.blocks}
    had = [by_id[name] for name in turn.blocks if not by_id[name].anchor]
    kind = _kind(had, {block.kind for block in (*shared, *own)}, desk)
    shared = [block for block in shared if block.kind == kind]
    own = [block for block in own if block.kind == kind]
    candidates = shared if shared and (not own or _shared_lags(desk, turn, kind, shared)) else own
    times: dict[str, int] = {}
    for block in had:
        if block.kind == kind:
            times[block.item] = times.get(block.item, 0) + 1

    def rank(block: Block) -> tuple[float, float, float, str]:
        value = block.priority + desk.disagreement.get(block.item, 0.0)
        # shared blocks come in another order to each rater, so that tiredness does not hit the same ones
        stream = turn.rater if block.shared else ""
        return (
            times.get(block.item, 0),
            -value,
            unit_interval(desk.seed, "next", stream, block.id),
            block.id,
        )

    return min(candidates, key=rank)


def _kind(had: list[Block], kinds: set[str], desk: Desk) -> str:
    """The kind of the last blocks until there were eight of it, then the one that is most behind."""
    if had and had[-1].kind in kinds:
        run = 0
        for block in reversed(had):
            if block.kind != had[-1].kind:
                break
            run += 1
        if run % SAME_KIND:
            return had[-1].kind
    whole = {kind: sum(block.kind == kind for block in desk.blocks) for kind in kinds}
    return min(kinds, key=lambda kind: (sum(block.kind == kind for block in had) / whole[kind], kind))


def _shared_lags(desk: Desk, turn: Turn, kind: str, left: list[Block]) -> bool:
    """Whether the rater is less far with the shared blocks of a kind than with their own part."""
    whole = sum(block.shared and not block.anchor and block.kind == kind for block in desk.blocks)
    single = sum(not block.shared and block.kind == kind for block in desk.blocks)
    part = ceil(single / max(1, desk.raters))
    return len(left) / whole >= _room(desk, turn, kind) / max(1, part)

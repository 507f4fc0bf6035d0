"""What test_scorer_distributed.py runs, in one process and in two: trainings, scorings, errors on purpose.

Started as a script it is `psyalign` with two more commands, under the environment that torchrun makes.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from psyalign.align import AlignSettings
    from psyalign.scorer import LoraScorer

BANK = Path(__file__).parents[2] / "items" / "mindca"


def material() -> tuple[dict[str, Any], pd.DataFrame]:
    """Two items, of three score points each, and their seven scored exemplars or so."""
    import pandas as pd

    from psyalign.items import load_item

    items = {name: load_item(BANK / f"{name}.toml") for name in ("sf1", "ss-brian")}
    rows = [
        (item.id, exemplar.response, exemplar.score)
        for item in items.values()
        for exemplar in item.exemplars[:4]
    ]
    return items, pd.DataFrame(rows[:-1], columns=["item", "response", "score"])


def scorer(base: Path, *, size: int = 3, layers: int = 0) -> LoraScorer:
    """An untrained scorer in float32; batches of `size` rows."""
    from psyalign.scorer import LoraScorer, Training

    training = Training(epochs=2, batch_size=size, learning_rate=3e-3, seed=5)
    return LoraScorer(
        material()[0],
        str(base),
        layers=layers,
        precision="float32",
        max_tokens=590,
        training=training,
        random_state=3,
    )


def state(model: LoraScorer) -> np.ndarray:
    """All trained weights in one vector."""
    import numpy as np

    return np.concatenate(
        [value.detach().numpy().ravel() for value in model.network_.trainable().values()]
    ).copy()


def fine_tuned(causal: Path, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """A causal LM without dropout: odd batches, batches of one row, one layer adapted, and gone on with."""
    answers = material()[1]
    scores = answers["score"].to_numpy()
    for name, size, layers in (("sft", 3, 0), ("sft of single rows", 1, 0), ("sft of the top layer", 4, 1)):
        model = scorer(causal, size=size, layers=layers).fit(answers, scores)
        yield name, state(model)
    if (given := folder / "given.safetensors").is_file():
        checkpoint = folder / f"checkpoint-{os.environ.get('WORLD_SIZE', '1')}.safetensors"
        shutil.copyfile(given, checkpoint)
        model = scorer(causal)
        yield "gone on with", state(model.fit(answers, scores, checkpoint=checkpoint))


def rewarded(causal: Path) -> Iterator[tuple[str, np.ndarray]]:
    """A reward model of both kinds of preferences; thresholds and ties are weights of process 0 alone."""
    import numpy as np

    from psyalign.reward import Comparisons, RewardModel

    answers = material()[1]
    pairs = Comparisons(answers.iloc[:3], answers.iloc[1:4].reset_index(drop=True), np.array([0, 1, 2]))
    base = scorer(causal).build()
    assert base.training is not None
    model = RewardModel(base, base.training, structure="pcm").fit(answers, wins(answers), comparisons=pairs)
    assert model.thresholds_ is not None
    yield "reward model", state(model.scorer)
    yield "reward model: thresholds", model.thresholds_


def wins(answers: pd.DataFrame) -> np.ndarray:
    """Each response's score beats every other score point once; (N, 3, 3)."""
    import numpy as np

    table = np.zeros((len(answers), 3, 3))
    for row, score in enumerate(answers["score"]):
        table[row, score, [point for point in range(3) if point != score]] = 1
    return table


def aligned(encoder: Path, tuned: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every objective, an encoder; groups of unequal sizes are weighted by their risk in the whole batch."""
    import numpy as np

    from psyalign.align import AlignSettings, EquivalencePairs, KLControl, ScoredFeedback, align
    from psyalign.scorer import LoraScorer, Training

    items, answers = material()
    model = LoraScorer.load(tuned, items)
    reference = model.predict_log_proba(answers, quiet=True)
    many = answers.iloc[list(range(len(answers))) * 5].reset_index(drop=True)
    for count in (1, 11, len(many)):
        yield f"scores of {count}", model.predict_log_proba(many[:count], quiet=True)
    yield "raw outputs", model.outputs(many, quiet=True)
    points = np.arange(3)[None, :]
    feedback = ScoredFeedback(
        responses=answers,
        scores=answers["score"].to_numpy(),
        wins=wins(answers),
        reference=reference,
        rewards=-np.abs(points - answers["score"].to_numpy()[:, None]).astype(float),
        groups=np.array([0, 0, 1, 0, 1, 0, 2]),
    )
    pairs = EquivalencePairs(answers, answers.iloc[::-1].reset_index(drop=True), reference)
    training = Training(epochs=2, batch_size=5, learning_rate=1e-3, seed=3)

    def settings(**more: Any) -> AlignSettings:
        return AlignSettings(training, beta=0.1, ppo_inner=2, **more)

    arms: list[tuple[str, Any, bool, AlignSettings, float]] = [
        ("dpo", "dpo", False, settings(), 0.0),
        ("ppo", "ppo", False, settings(), 0.0),
        ("distill", "distill", False, settings(), 0.0),
        ("equivalence", "none", True, settings(), 0.0),
        ("ppo+equivalence, sampled", "ppo", True, settings(ppo_actions="sampled"), 0.01),
        ("dpo+equivalence, group-robust", "dpo", True, settings(group_robust=0.5), 0.0),
    ]
    assert len({len(arm) for arm in arms}) == 1
    for name, objective, paired, chosen, target in arms:
        model = LoraScorer.load(tuned, items)
        used = pairs if paired else None
        control = KLControl(0.1, target=target)
        align(
            model,
            objective,
            feedback if objective != "none" else None,
            used,
            chosen,
            label=name,
            control=control,
        )
        yield name, state(model)


def everything(folder: Path) -> dict[str, np.ndarray]:
    """All trainings and scorings; `folder` has the models encoder/ and causal/ and the adapter tuned/."""
    return {
        **dict(fine_tuned(folder / "causal", folder)),
        **dict(rewarded(folder / "causal")),
        **dict(aligned(folder / "encoder", folder / "tuned")),
    }


def work(folder: Path, out: str) -> None:
    """All of it, written to `out`; with the first epoch's checkpoint of a training that is cut off."""
    import numpy as np

    np.savez(folder / out, **everything(folder))  # type: ignore[arg-type]
    cut_off(folder, folder / "left.safetensors")


def cut_off(folder: Path, checkpoint: Path) -> None:
    """Train until the second epoch and no further."""
    from psyalign.scorer import train as loop

    answers = material()[1]
    update, done = loop._update, []

    def counted(*arguments: Any) -> float:
        if len(done) == 4:  # seven answers in batches of three: the second epoch's first is done
            raise KeyboardInterrupt
        done.append(1)
        return update(*arguments)  # type: ignore[arg-type]

    loop._update = counted  # type: ignore[assignment]
    try:
        scorer(folder / "causal").fit(answers, answers["score"].to_numpy(), checkpoint=checkpoint)
    except KeyboardInterrupt:
        pass
    finally:
        loop._update = update


def fail(folder: Path, how: str) -> None:
    """Train while something goes wrong."""
    from psyalign.foundation.errors import DataError

    answers = material()[1]
    if how == "leader":
        raise DataError("A table is wrong.")
    scorer(folder / "causal").fit(answers, answers["score"].to_numpy())


def sabotage(how: str) -> None:
    """Let the forward passes of process 1 go wrong."""
    from psyalign.foundation.errors import ModelError
    from psyalign.scorer.network import KWayNetwork

    def broken(self: KWayNetwork, batch: Any) -> Any:
        if how == "model":
            raise ModelError("This process has no memory left.", mend="Use smaller batches.")
        if how == "bug":
            raise KeyError("a response that nobody is to see")
        os.kill(os.getpid(), signal.SIGKILL)

    KWayNetwork.own_outputs = broken  # type: ignore[method-assign]


def main(arguments: list[str]) -> None:
    """Run the commands one after the other, each with a port of its own; print the exit codes."""
    from psyalign.cli import main as cli

    cli.app.command("work")(work)
    cli.app.command("fail")(fail)
    folder, *commands = arguments
    for command in commands:
        port, name, how = command.split(":")
        os.environ["MASTER_PORT"] = port
        if name == "fail" and os.environ["RANK"] == "1":
            sabotage(how)
        sys.argv = ["psyalign", name, folder, how]
        try:
            cli.main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code
        print(f"{how}: {code}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

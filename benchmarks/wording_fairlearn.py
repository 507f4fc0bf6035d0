"""Bias mitigation without rater feedback, on frozen embeddings: the arms of fairlearn to beat.

Called by wording_seeds.py with fairlearn on the path. For a finished run of studies/mindca-wording it
trains, on the same training responses and operational scores as the run's baseline, predictors of the
score from the frozen base's embedding and the item: plainly (multinomial logistic regression); with
the weights of Kamiran and Calders (2012), which make group and score independent (fairlearn has no
function for them; they are four lines); and adversarially (Zhang, Lemoine and Mitchell, 2018:
`fairlearn.adversarial.AdversarialFairnessClassifier`) for demographic parity and for equalised odds. Each
sees group membership while it learns, none when it scores; fairlearn's CorrelationRemover is left out,
because it needs the group to score. None sees rater feedback: that is their point.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.data import load_study_bank
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import group_of, read_persons, read_scores, read_texts
from psyalign.scorer import LoraScorer
from psyalign.study import load_study

EPOCHS, BATCH, RATE, HIDDEN = 40, 128, 1e-3, 128
ALPHA = 1.0  # weight of the adversary, fairlearn's default


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    study = load_study(folder / "study.resolved.toml").placed_at(folder.parents[1] / "study.toml")
    run = Run(folder, study, load_study_bank(study))
    texts = read_texts(run).set_index("response_id")
    train = read_scores(run, "operational", "train")
    audit = read_table(run.path("scores", "baseline", "scores.parquet"))
    x = _features(run, texts, [*train["response_id"], *audit["response_id"]])
    fit, new = x[: len(train)], x[len(train) :]
    y = train["score"].to_numpy(int)
    focal = (train["person"].map(group_of(run, "variety", read_persons(run))) == "focal").to_numpy(int)
    torch.manual_seed(seed)
    plain = LogisticRegression(C=1.0, max_iter=3000)
    arms = {
        "frozen": plain.fit(fit, y).predict_proba(new),
        "frozen, reweighed": plain.fit(fit, y, sample_weight=_weights(focal, y)).predict_proba(new),
        "frozen, adversarial (parity)": _adversarial("demographic_parity", fit, y, focal, new, seed),
        "frozen, adversarial (odds)": _adversarial("equalized_odds", fit, y, focal, new, seed),
    }
    keys = audit[["response_id", "person", "item", "wording", "primary"]]
    points = np.arange(y.max() + 1)
    for arm, proba in arms.items():
        table = keys.assign(modal=proba.argmax(axis=1), expected=proba @ points)
        write_parquet(folder / "peers" / arm / "scores.parquet", table)


def _features(run: Run, texts: pd.DataFrame, ids: list[str]) -> np.ndarray:
    """Pooled states of the frozen base (LoRA at its start does nothing), standardised, and the item."""
    scorer = LoraScorer(run.bank.items, run.study.scorer.base, max_tokens=run.study.scorer.max_tokens)
    scorer.build()
    scorer.network_.head = torch.nn.Identity()
    frame = texts.loc[ids, ["item", "response"]].reset_index(drop=True)
    encoded = scorer.encode(frame)
    pooled = np.empty((len(frame), scorer.network_.backbone.config.hidden_size))
    order = np.argsort(encoded.lengths, kind="stable")
    with torch.inference_mode():
        for rows in np.array_split(order, max(1, len(order) // 64)):
            pooled[rows] = scorer.network_.outputs(encoded.batch(rows.tolist(), torch.device("cpu"))).numpy()
    pooled = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    items = pd.get_dummies(frame["item"]).to_numpy(float)
    return np.hstack([pooled, items])


def _weights(focal: np.ndarray, y: np.ndarray) -> np.ndarray:
    """P(group) P(score) / P(group, score): Kamiran and Calders (2012), section 4.2."""
    weights = np.empty(len(y))
    for group in np.unique(focal):
        for score in np.unique(y):
            cell = (focal == group) & (y == score)
            if cell.any():
                weights[cell] = (focal == group).mean() * (y == score).mean() / cell.mean()
    return weights


def _adversarial(
    constraint: str, fit: np.ndarray, y: np.ndarray, focal: np.ndarray, new: np.ndarray, seed: int
) -> np.ndarray:
    from fairlearn.adversarial import AdversarialFairnessClassifier

    torch.manual_seed(derive_seed(seed, "adversarial"))
    # a module of ours, as fairlearn's own list of layers ends in a softmax under a cross-entropy of logits
    predictor = torch.nn.Sequential(
        torch.nn.Linear(fit.shape[1], HIDDEN), torch.nn.LeakyReLU(), torch.nn.Linear(HIDDEN, y.max() + 1)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AdversarialFairnessClassifier(
            backend="torch",
            predictor_model=predictor,
            adversary_model=[16, "leaky_relu"],
            constraints=constraint,
            alpha=ALPHA,
            epochs=EPOCHS,
            batch_size=BATCH,
            learning_rate=RATE,
            random_state=derive_seed(seed, "adversarial") % 2**31,
        )
        model.fit(fit, pd.Series(y), sensitive_features=pd.Series(focal))
        logits = model.backendEngine_.evaluate(new)
    return np.asarray(softmax(logits.astype(float), axis=1))


if __name__ == "__main__":
    main()

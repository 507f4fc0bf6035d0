"""What TRL's own loss code gives on a few fixed log-probabilities, for tests/align/trl_losses.json.

    .venv/bin/python benchmarks/trl_losses.py                 makes TRL's environments if they are missing
    .venv/bin/python benchmarks/trl_losses.py --peers PATH    folder with trl-1.16.0 and trl-1.12.0

TRL's methods run as they are, bound to objects with nothing but the settings that they read, on a
"model" that hands out the given log-probabilities. Values and gradients are kept with their inputs,
all float64 and made from a seed; no code of TRL is kept. `tests/align/test_align_trl_losses.py`
holds psyalign's losses to them, without TRL.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).parent
OUT = HERE.parent / "tests" / "align" / "trl_losses.json"
SEED = 20261122
K = 4
BETA, NOISE, CLIP, KL_WEIGHT = 0.3, 0.1, 0.2, 0.4
PAD = 999
FIRST = 100  # token of the first prompt; score point k is token k


def main() -> None:
    """Run both versions of TRL and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="auto", help="auto, or a folder")
    parser.add_argument("--side", choices=("losses", "ppo"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps({"losses": _losses, "ppo": _ppo}[options.side](_inputs())))
        return
    result = _inputs() | {"cases": {}}
    versions = {}
    for side, kind in (("losses", "dpo"), ("ppo", "ppo")):
        found = _side(side, kind, options.peers)
        versions[side] = found.pop("versions")
        result["cases"] |= found
    note = (
        "Figures made by running TRL's own code, bound to minimal objects; made-up inputs, float64. "
        "Command: python benchmarks/trl_losses.py. DPO, reward model and GKD are means over the judgements "
        "or responses of the batch; gradients are with respect to log_probs, taken as free numbers, "
        "in GKD and PPO as logits whose softmax is the policy."
    )
    OUT.write_text(_lines({"note": note, "versions": versions} | result) + "\n", encoding="utf-8")
    print(f"Written: {OUT.relative_to(HERE.parent)}, {len(result['cases'])} cases.", file=sys.stderr)


def _lines(value: dict[str, Any], depth: int = 1) -> str:
    """JSON with a line for every key, so that a change of a figure shows as one."""
    rows = [
        f"{' ' * depth}{json.dumps(key)}: "
        + (_lines(part, depth + 1) if isinstance(part, dict) else json.dumps(part, ensure_ascii=False))
        for key, part in value.items()
    ]
    return "{\n" + ",\n".join(rows) + f"\n{' ' * (depth - 1)}}}"


def _side(side: str, kind: str, peers: str) -> dict[str, Any]:
    """The figures of one version of TRL, from a process of its own."""
    from alignment import Case, _peer

    peer = _peer(Case(side, kind, 0, 0), argparse.Namespace(peers=peers))
    if peer is None:
        raise SystemExit("Without TRL there is nothing to write.")
    environment = os.environ | {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(peer), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--side", side],
        check=True, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _inputs() -> dict[str, Any]:
    """Policy, its older self and reference on four responses, judgements on them, and rewards.

    The older policy on responses 3 and 4 is that on 1 and 2, with the rewards turned round: over all
    actions, advantages then have mean 0, so that TRL's whitening only stretches them.
    """
    rng = np.random.default_rng(SEED)

    def log_probs(rows: int, spread: float) -> np.ndarray:
        logits = rng.normal(scale=spread, size=(rows, K))
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    old, rewards = log_probs(2, 0.8), rng.normal(size=(2, K))
    rewards -= (np.exp(old) * rewards).sum(axis=1, keepdims=True)
    return {
        "log_probs": log_probs(4, 1.0).tolist(),
        "reference": log_probs(4, 0.7).tolist(),
        "old": np.vstack([old, old]).tolist(),
        "rewards": np.vstack([rewards, -rewards]).tolist(),
        # response, preferred, rejected; one judgement twice, one contradicted
        "judgements": [[0, 3, 0], [0, 2, 1], [1, 0, 1], [1, 0, 1], [1, 1, 0], [2, 1, 3], [3, 2, 0]],
        "beta": BETA,
        "label_noise": NOISE,
        "clip": CLIP,
        "kl_weight": KL_WEIGHT,
    }


def _losses(inputs: dict[str, Any]) -> dict[str, Any]:
    from trl import DPOTrainer, RewardTrainer
    from trl.experimental.gkd import GKDTrainer

    found: dict[str, Any] = {"versions": {"trl": version("trl"), "torch": version("torch")}}
    every = list(range(len(inputs["judgements"])))
    for name, kind, noise in (
        ("dpo sigmoid", "sigmoid", 0.0), ("dpo ipo", "ipo", 0.0), ("dpo robust", "robust", NOISE),
    ):  # fmt: skip
        found[name] = _dpo(DPOTrainer, inputs, kind, noise, every)
    # Label smoothing is in "sigmoid" no more. "aot_unpaired" has it; it sorts a batch, so one at a time.
    singles = [_dpo(DPOTrainer, inputs, "aot_unpaired", NOISE, [at]) for at in every]
    found["dpo conservative"] = {
        "source": singles[0]["source"] + ", mean over batches of one",
        "value": float(np.mean([each["value"] for each in singles])),
        "gradient": np.mean([each["gradient"] for each in singles], axis=0).tolist(),
    }
    found["reward"] = _reward(RewardTrainer, inputs)
    for name, beta in (("gkd reference to policy", 0), ("gkd policy to reference", 1)):
        found[name] = _gkd(GKDTrainer, inputs, beta)
    return found


def _dpo(trainer: Any, inputs: dict[str, Any], kind: str, noise: float, chosen: list[int]) -> dict[str, Any]:
    """`DPOTrainer._compute_loss` where each completion is one token: the score."""
    import torch

    policy = torch.tensor(inputs["log_probs"], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor(inputs["reference"], dtype=torch.float64)
    rows, better, worse = torch.tensor(inputs["judgements"])[chosen].T
    both = torch.cat([rows, rows]), torch.cat([better, worse])
    blank = torch.zeros(len(both[0]), 1, dtype=torch.float64)

    def model(**_: Any) -> Any:
        outputs = {"log_probs": policy[both][:, None], "entropy": blank, "mean_logits": blank}
        return SimpleNamespace(**outputs, is_top1=blank.bool())

    model.training = True  # type: ignore[attr-defined]
    bound = SimpleNamespace(
        model=model, accelerator=_accelerator(), aux_loss_enabled=False, ld_alpha=None, use_weighting=False,
        precompute_ref_logps=True, f_divergence_type="reverse_kl", beta=BETA, label_smoothing=noise,
        loss_types=[kind], loss_weights=[1.0], _metrics=_Metrics(), _total_train_tokens=0, _tp_size=1,
    )  # fmt: skip
    ids = torch.stack([FIRST + both[0], both[1]], dim=1)
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "completion_mask": torch.tensor([0, 1]).expand(len(ids), 2),
        "ref_chosen_logps": reference[rows, better],
        "ref_rejected_logps": reference[rows, worse],
    }
    loss = trainer._compute_loss(bound, model, batch, False)
    extra = {"accuracy": bound._metrics["train"]["rewards/accuracies"][0]} if len(chosen) > 1 else {}
    source = f"DPOTrainer._compute_loss, loss_type {kind}, label_smoothing {noise}"
    return {"source": source, **_result(loss, policy), **extra}


def _reward(trainer: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """`RewardTrainer.compute_loss`; the log-probabilities stand for rewards."""
    import torch

    rewards = torch.tensor(inputs["log_probs"], dtype=torch.float64, requires_grad=True)
    rows, better, worse = torch.tensor(inputs["judgements"]).T

    def model(**_: Any) -> Any:
        both = rewards[torch.cat([rows, rows]), torch.cat([better, worse])]
        return SimpleNamespace(logits=both[:, None])

    model.training = True  # type: ignore[attr-defined]
    bound = SimpleNamespace(
        model=model, accelerator=_accelerator(), args=SimpleNamespace(center_rewards_coefficient=None),
        _metrics=_Metrics(), _total_train_tokens=0, _tp_size=1,
    )  # fmt: skip
    batch = {"attention_mask": torch.ones(2 * len(rows), 2, dtype=torch.long)}
    loss = trainer.compute_loss(bound, model, batch)
    accuracy = bound._metrics["train"]["accuracy"][0]
    return {"source": "RewardTrainer.compute_loss", **_result(loss, rewards), "accuracy": accuracy}


def _gkd(trainer: Any, inputs: dict[str, Any], beta: int) -> dict[str, Any]:
    """`GKDTrainer.generalized_jsd_loss` at its two ends: KL(teacher ‖ student), KL(student ‖ teacher)."""
    import torch

    policy = torch.tensor(inputs["log_probs"], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor(inputs["reference"], dtype=torch.float64)
    # a batch of N sequences of one token: its "batchmean" divides by N
    loss = trainer.generalized_jsd_loss(policy[:, None], teacher[:, None], beta=beta)
    return {"source": f"GKDTrainer.generalized_jsd_loss, beta {beta}", **_result(loss, policy)}


def _ppo(inputs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"versions": {"trl": version("trl"), "torch": version("torch")}}
    for name, estimator, weight, size in (
        ("ppo single", "k1", 0.0, 1), ("ppo batch", "k1", 0.0, 4 * K), ("ppo k1", "k1", KL_WEIGHT, 4 * K),
        ("ppo k3", "k3", KL_WEIGHT, 4 * K),
    ):  # fmt: skip
        found[name] = _ppo_update(inputs, estimator, weight, size)
    return found


def _ppo_update(inputs: dict[str, Any], estimator: str, kl_weight: float, size: int) -> dict[str, Any]:
    """One update of `PPOTrainer.train` on every action of every response, in micro-batches of `size`."""
    import torch
    from trl.experimental.ppo import PPOTrainer, ppo_trainer

    policy = torch.tensor(inputs["log_probs"], dtype=torch.float64, requires_grad=True)
    old, reference, rewards = (
        torch.tensor(inputs[name], dtype=torch.float64) for name in ("old", "reference", "rewards")
    )
    prompts, actions = torch.meshgrid(torch.arange(4), torch.arange(K), indexing="ij")
    prompts, actions = prompts.reshape(-1), actions.reshape(-1)
    losses: list[float] = []
    gradients: list[Any] = []
    seen: dict[str, Any] = {}

    def backward(loss: Any) -> None:
        result = _result(loss, policy)
        losses.append(result["value"])
        gradients.append(result["gradient"])

    whiten = ppo_trainer.masked_whiten

    def watched(values: Any, *rest: Any, **named: Any) -> Any:
        seen["advantages"], seen["whitened"] = values, whiten(values, *rest, **named)
        return seen["whitened"]

    ppo_trainer.masked_whiten = watched
    model = _Model(torch, policy, old, actions)
    n = len(actions)
    arguments = SimpleNamespace(
        response_length=1, temperature=1.0 - 1e-7, num_ppo_epochs=1, num_mini_batches=1,
        gradient_accumulation_steps=n // size, total_episodes=n, num_total_batches=1, batch_size=n,
        logging_steps=None, eval_steps=None, save_steps=None, local_rollout_forward_batch_size=n,
        ds3_gather_for_generation=False, missing_eos_penalty=None, kl_estimator=estimator,
        kl_coef=kl_weight, whiten_rewards=False, gamma=1.0, lam=0.95, local_batch_size=n,
        local_mini_batch_size=n, per_device_train_batch_size=size, cliprange=CLIP, cliprange_value=0.2,
        vf_coef=0.0, num_sample_generations=0,
    )  # fmt: skip
    handler = SimpleNamespace(
        on_train_begin=_control, on_step_end=_control, on_train_end=_control, on_save=_control
    )
    bound = SimpleNamespace(
        args=arguments, accelerator=_accelerator(backward), model=model, ref_model=model.table(reference),
        reward_model=model.table(rewards, scores=True), dataloader=[{"input_ids": FIRST + prompts[:, None]}],
        optimizer=SimpleNamespace(step=lambda: None, zero_grad=lambda: None), state=SimpleNamespace(),
        lr_scheduler=SimpleNamespace(step=lambda: None, get_last_lr=lambda: [0.0]), control=_control(),
        processing_class=SimpleNamespace(pad_token_id=PAD, eos_token_id=PAD), stop_token_id=None,
        callback_handler=handler, is_deepspeed_enabled=False, train_dataset_len=n, log=_quiet,
    )  # fmt: skip
    np.random.seed(SEED)  # TRL draws its order from it
    order = np.random.permutation(n)
    np.random.seed(SEED)
    try:
        PPOTrainer.train(bound)
    finally:
        ppo_trainer.masked_whiten = whiten
    result: dict[str, Any] = {
        "source": f"PPOTrainer.train, kl_estimator {estimator}, kl_coef {kl_weight}, vf_coef 0, gamma 1; "
        "every action of every response once, value 0",
        "advantages": seen["advantages"].reshape(4, K).tolist(),
        "whitened": seen["whitened"].reshape(4, K).tolist(),
    }
    if size == 1:
        back = np.argsort(order)
        result["value"] = np.asarray(losses)[back].reshape(4, K).tolist()
        result["gradient"] = np.asarray(gradients)[back].tolist()
    else:
        result["value"], result["gradient"] = losses[0], gradients[0]
    return result


class _Model:
    """A policy that hands out logits by prompt: the old ones when it generates, then the new ones."""

    is_gradient_checkpointing = False
    base_model_prefix = "backbone"
    generation_config = None

    def __init__(self, torch: Any, new: Any, old: Any, actions: Any):
        self._torch, self._new, self._old, self._actions = torch, new, old, actions
        self.policy = self
        self.value_model = self.table(torch.zeros_like(old), scores=True)

    def train(self) -> None:
        """Nothing to switch on."""

    def named_modules(self) -> Iterator[Any]:
        """None."""
        return iter(())

    def generate(self, input_ids: Any, **_: Any) -> Any:
        """The given actions, and the logits that they were drawn with."""
        sequences = self._torch.cat([input_ids, self._actions[:, None]], dim=1)
        return SimpleNamespace(sequences=sequences, scores=(self._old[input_ids[:, 0] - FIRST],))

    def __call__(self, input_ids: Any, **named: Any) -> Any:
        output = SimpleNamespace(logits=self._both(self._new[input_ids[:, 0] - FIRST]))
        return output, self._torch.zeros(len(input_ids), 2, 1, dtype=self._new.dtype)

    def table(self, values: Any, *, scores: bool = False) -> Any:
        """A model of fixed logits, or with `scores` of what a (N, K) table says of prompt and action."""
        torch = self._torch

        def read(input_ids: Any, **_: Any) -> Any:
            rows = values[input_ids[:, 0] - FIRST]
            if not scores:
                return SimpleNamespace(logits=self._both(rows))
            found = rows.gather(1, input_ids[:, 1:])[:, None].expand(-1, 2, -1)
            return SimpleNamespace(hidden_states=[found])

        read.base_model_prefix = "backbone"  # type: ignore[attr-defined]
        read.backbone = read  # type: ignore[attr-defined]
        read.score = torch.clone  # type: ignore[attr-defined]
        return read

    def _both(self, rows: Any) -> Any:
        """The same logits after prompt and score; TRL divides them in place."""
        return self._torch.stack([rows, rows], dim=1)


class _Metrics(dict[str, Any]):
    """Where TRL's trainers note figures: a dict of lists for each mode."""

    def __missing__(self, key: str) -> Any:
        self[key] = [] if "/" in key or key not in ("train", "eval") else _Metrics()
        return self[key]


def _accelerator(backward: Any = None) -> Any:
    def same(value: Any, *_: Any, **__: Any) -> Any:
        return value

    return SimpleNamespace(
        device="cpu", gather=same, gather_for_metrics=same, unwrap_model=same, backward=backward,
        print=_quiet, accumulate=lambda _: nullcontext(), state=SimpleNamespace(deepspeed_plugin=None),
    )  # fmt: skip


def _quiet(*_: Any) -> None:
    """TRL's progress is not wanted."""


def _control(*_: Any) -> Any:
    return SimpleNamespace(should_save=False)


def _result(loss: Any, leaf: Any) -> dict[str, Any]:
    import torch

    (gradient,) = torch.autograd.grad(loss, leaf)
    return {"value": float(loss.detach()), "gradient": gradient.tolist()}


if __name__ == "__main__":
    main()

"""Rules of [data], [simulation], [plant], [split] and [groups]: whose answers, and who is compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from psyalign.study.problem import Problem

if TYPE_CHECKING:
    from psyalign.study.schema import Study

__all__ = ["data_rules", "group_rules", "plant_rules", "split_rules"]

# Columns that psyalign itself writes beside a person's attributes.
RESERVED = frozenset(
    {"person", "item", "wording", "response", "response_id", "rater", "score", "split", "all", "origin"}
)


def data_rules(study: Study) -> Iterator[Problem]:
    """Files are named where the answers come from files, and nowhere else."""
    data = study.data
    if data.source == "files":
        for key in ("responses", "ratings"):
            if getattr(data, key) is None:
                yield Problem(
                    ("data", key),
                    f"[data] needs '{key}', the file with the {key}.",
                    f'Add {key} = "data/{key}.csv", or set source = "simulate".',
                )
        if study.simulation is not None:
            yield Problem(
                ("simulation",),
                '[simulation] has no effect, because [data] source is "files".',
                'Drop [simulation], or set source = "simulate" in [data].',
            )
        return
    for key in ("responses", "ratings", "persons"):
        if getattr(data, key) is not None:
            yield Problem(
                ("data", key),
                f"'{key}' names a file, but the respondents are simulated.",
                f"Drop '{key}', or set source = \"files\".",
            )


def plant_rules(study: Study) -> Iterator[Problem]:
    """A bias is planted into real answers only."""
    if study.plant is not None and study.data.source == "simulate":
        yield Problem(
            ("plant",),
            "[plant] puts a bias into real answers, but the respondents are simulated.",
            "Drop [plant]; a simulated penalty is set in [simulation].",
        )


def split_rules(study: Study) -> Iterator[Problem]:
    """The shares of the split sum to 1."""
    shares = study.split.shares
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        listed = " + ".join(f"{share:g}" for share in shares.values())
        yield Problem(
            ("split",),
            f"The shares train, feedback and audit must sum to 1; {listed} = {total:g}.",
            "Change one of the three shares.",
        )


def group_rules(study: Study) -> Iterator[Problem]:
    """Some group is compared, with another one, by an attribute that is the study's own."""
    if not study.groups:
        yield Problem(
            ("groups",),
            "The study compares no groups.",
            'Add, say, [groups.gender] with reference = "men" and focal = "women".',
        )
    for attribute, group in study.groups.items():
        if attribute in RESERVED:
            yield Problem(
                ("groups", attribute),
                f"'{attribute}' is a column of psyalign's own and cannot be a person attribute.",
                "Rename the attribute in the data and here.",
            )
        if group.reference == group.focal:
            yield Problem(
                ("groups", attribute, "focal"),
                f"Reference and focal group are both '{group.focal}'.",
                "Name two different values of the attribute.",
            )

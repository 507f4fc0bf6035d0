"""The comparison's folder: report.html and the other formats, tables as CSV and JSON, drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from psyalign import __version__
from psyalign.report.comparison.answers import answers, cautions, names
from psyalign.report.comparison.compared import Compared
from psyalign.report.comparison.drawings import origin_words
from psyalign.report.comparison.judged import Tested, judge_accuracy, judge_fairness
from psyalign.report.comparison.sections import comparison_sections
from psyalign.report.content import Section
from psyalign.report.cover import Cover
from psyalign.report.documents import table_files, write_documents
from psyalign.report.machine_readable import readable_sections
from psyalign.report.plain import plain, plain_value

__all__ = ["SCHEMA_VERSION", "comparison_json", "write_comparison"]

SCHEMA_VERSION = 2


def write_comparison(found: Compared, out: Path, formats: Sequence[str] = ("html", "docx", "json")) -> Path:
    """Write the report of a comparison.

    Parameters
    ----------
    found : Compared
    out : Path
        Folder for report.html, report.docx, report.json, tables/ and figures/; made if it is missing.
        Files of the same names are replaced.
    formats : sequence of {"html", "docx", "json"}

    Returns
    -------
    Path
        The first of the documents in the order above. The same runs give the same bytes.

    Raises
    ------
    UsageError
        A format that there is not, or none.
    """
    return write_documents(
        out,
        formats,
        cover=_cover(found),
        sections=comparison_sections(found),
        tables=found.named(),
        as_json=lambda sections: comparison_json(found, sections),
    )


def _cover(found: Compared) -> Cover:
    a, b = names(found)
    manifests = [side.tables.manifest for side in (found.a, found.b)]
    notices = {
        side: manifest.notice for side, manifest in zip("AB", manifests, strict=True) if manifest.notice
    }
    if len(set(notices.values())) > 1:
        notices = {side: f"{side}: {text}" for side, text in notices.items()}
    finished = [str(manifest.raw.get("finished") or "") for manifest in manifests]
    return Cover(
        title=plain(f"{manifests[0].title}: {a} and {b}"),
        kicker="Two runs compared",
        kind="comparison of two runs",
        origin=plain(origin_words(found)),
        notice=plain(" ".join(dict.fromkeys(notices.values()))),
        version=__version__,
        finished=plain(max(finished)),
        made_from="two runs",
    )


def comparison_json(found: Compared, sections: Sequence[Section]) -> dict[str, Any]:
    """The comparison as a JSON value: no NaN, no response text.

    One object: schema ("psyalign-comparison"), schema_version, psyalign (version); runs: a and b with study,
    run, scorer (arm), origin, seed, finished; plan; paired: whether, reason, persons, responses, whole;
    verdict: fairness (a list by grouping: kind, square, small, and mean_es and mean_square with a, b,
    difference as {value, low, high} and the corrected p), agreement (kind, small, qwk), answers and cautions
    (texts); sections and tables as in the report of a run (`psyalign.report.machine_readable`).

    schema_version is 2; in 1 the blocks of a section had another layout.
    """
    value = {
        "schema": "psyalign-comparison",
        "schema_version": SCHEMA_VERSION,
        "psyalign": __version__,
        "runs": {side.letter.lower(): _run(side) for side in (found.a, found.b)},
        "plan": asdict(found.plan),
        "paired": {
            "paired": found.common.paired,
            "reason": found.common.reason or None,
            "persons": found.common.n_persons,
            "responses": len(found.common.rows),
            "whole": found.common.whole,
        },
        "verdict": _verdict(found),
        "sections": readable_sections(sections),
        "tables": table_files(found.named()),
    }
    cleaned: dict[str, Any] = plain_value(value)
    return cleaned


def _run(side: Any) -> dict[str, Any]:
    raw = side.tables.manifest.raw
    return {
        "study": side.study,
        "run": side.run,
        "scorer": side.scorer,
        "origin": side.tables.manifest.origin,
        "seed": raw.get("study", {}).get("seed"),
        "finished": raw.get("finished"),
    }


def _verdict(found: Compared) -> dict[str, Any]:
    agreed = judge_accuracy(found)
    fairness = [
        {
            "grouping": one.group.attribute,
            "reference": one.group.reference,
            "focal": one.group.focal,
            "kind": one.kind,
            "square": one.square,
            "small": one.small,
            "mean_es": _tested(one.mean),
            "mean_square": _tested(one.squares),
        }
        for one in judge_fairness(found)
    ]
    return {
        "fairness": fairness,
        "agreement": {"kind": agreed.kind, "small": agreed.small, "qwk": _tested(agreed.qwk)},
        "answers": [{"question": question, "answer": text} for question, text in answers(found)],
        "cautions": [{"lead": lead, "text": text} for lead, text in cautions(found)],
    }


def _tested(found: Tested) -> dict[str, Any]:
    parts = {"a": found.a, "b": found.b, "difference": found.difference}
    return {**{name: of._asdict() for name, of in parts.items()}, "p": found.p}

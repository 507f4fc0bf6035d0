"""What stands on a report besides its sections: title, banner, footer, when its run ended."""

from __future__ import annotations

from dataclasses import dataclass

from psyalign.report.load import Manifest
from psyalign.report.plain import plain

__all__ = ["Cover", "cover_of"]


@dataclass(frozen=True)
class Cover:
    """Title page and margins of a report; every renderer shows the same.

    `origin` and `notice` make the banner and are empty for real data; `finished` is an ISO 8601 time
    (or empty), the only time that a report carries, so that the same run gives the same bytes.
    """

    title: str
    kicker: str = "Fairness before and after alignment"
    kind: str = "fairness report"
    origin: str = ""
    notice: str = ""
    version: str = ""
    finished: str = ""
    made_from: str = "the tables of one run"

    @property
    def document_title(self) -> str:
        """What a browser's tab or a document's properties show."""
        return f"{self.title}: {self.kind}"

    @property
    def footer(self) -> str:
        """Who made the report, of what."""
        made = f"psyalign {self.version}".strip()
        return f"Made by {made} from {self.made_from}. It contains no response text."


def cover_of(manifest: Manifest) -> Cover:
    """The cover of a run's report; texts cleaned as `plain` does."""
    made = manifest.raw.get("provenance")
    return Cover(
        title=plain(manifest.title),
        origin="" if manifest.real else plain(manifest.origin[:1].upper() + manifest.origin[1:]),
        notice="" if manifest.real else plain(manifest.notice),
        version=plain(made.get("psyalign") or "") if isinstance(made, dict) else "",
        finished=plain(manifest.raw.get("finished") or ""),
    )

"""The report in order: `order` has its chapters, the body's and then the appendix's; `first_page`
(its words and rules) and `panels` (its pictures) make page one, `body` the sections before the
appendix, from `findings` that both share; `confidence` (calibration, rejection), `robustness`
(corruptions), `measures` and `brief` (an assignment) are chapters of the appendix; `model_card`
writes the same numbers for a hub."""

from lib.report.chapters.order import placed, title

__all__ = ["placed", "title"]

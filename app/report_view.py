"""An audit's report in the page, with its two downloads."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from . import words
from .audit_run import Report
from .page import status_line

Update = dict[Any, Any]
PRIVATE = "It names photos and tells ranks: whoever has it can undo protection. Keep it to yourself."


@dataclass(frozen=True)
class ReportView:
    """outputs: the components; update: their values for a report, or for none."""

    outputs: list[Any]
    update: Callable[[Report | None], Update]


def build() -> ReportView:
    """Where the report is to be shown."""
    verdict = gr.Markdown(visible=False)
    with gr.Row():
        shared = gr.DownloadButton("Download the report for others", variant="primary", visible=False)
        private = gr.DownloadButton("Download the PRIVATE part (for you alone)", visible=False)
    page = gr.HTML(visible=False, padding=False)

    def update(report: Report | None) -> Update:
        if report is None:
            return {part: gr.update(visible=False) for part in (verdict, shared, private, page)}
        answer = words.AUDITS.get(report.verdict, words.NO_VERDICT)
        note = f"\n\nThe private part: {PRIVATE}" if report.private else ""
        return {
            verdict: gr.update(value=f"## {answer}\n{checked(report)}{note}", visible=True),
            shared: gr.update(value=report.shared and str(report.shared), visible=report.shared is not None),
            private: gr.update(value=report.private and str(report.private), visible=report.private is not None),
            # Sandboxed: a report that somebody else made cannot do anything in this page.
            page: gr.update(value=f'<iframe class="report" title="Audit report" sandbox srcdoc="{escape(report.page)}">'
                            "</iframe>", visible=True),
        }  # fmt: skip

    return ReportView([verdict, shared, private, page], update)


def checked(report: Report) -> str:
    """What a check of an earlier report found."""
    if report.differences is None:
        return ""
    if not report.differences:
        return "Checked: the report is as it was made, and follows from its own counts."
    # As code, a line each: a report that somebody else made may hold any text.
    lines = [" ".join(line.replace("`", "").split()) for line in report.differences]
    return "**Changed since it was made:**\n" + "\n".join(f"- `{line}`" for line in lines)


def progress(counts: tuple[int, int] | None) -> str:
    """counts: photos done and in all."""
    if counts is None:
        return status_line("Auditing: loading the recognizers …", busy=True)
    done, total = counts
    return status_line(f"Auditing: {done} of {total} photos …", busy=True, share=done / total)

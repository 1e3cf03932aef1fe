"""The proposal as a piece of a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w

from trioagent.visible import visible_line

if TYPE_CHECKING:
    from trioagent.tuning.report import Report


def fragment(report: Report) -> str:
    """TOML with the best setting; comments say what it was measured on."""
    tables: dict[str, dict[str, Any]] = {}
    for path, value in report.best.setting:
        section, key = path.split(".", 1)
        tables.setdefault(section, {})[key] = value
    before, after = report.found.recorded.effects, report.best.effects
    comments = [
        "Proposed by trioagent tune, by running recordings again on a virtual clock.",
        f"Measured on {report.measured_on()}:",
        *(f"  {folder}" for folder in report.folders),
        "searched: " + ", ".join(f"{r.key} {_ends(r.values)}" for r in report.ranges),
    ]
    if before.ttfa and after.ttfa:
        comments += [
            f"TTFA p50: {before.ttfa.p50:.1f} -> {after.ttfa.p50:.1f} ms",
            f"TTFA p90: {before.ttfa.p90:.1f} -> {after.ttfa.p90:.1f} ms",
        ]
    most = report.limits
    for what, was, now, limit in (
        ("cut-ins", before.cut_ins, after.cut_ins, most.cut_ins),
        ("underruns", before.underruns, after.underruns, most.underruns),
    ):
        comments.append(f"{what}: {was} -> {now} (at most {limit:g})")
    # TOML's comments hold no control characters, but names of folders may.
    header = "".join(f"# {visible_line(comment)}\n" for comment in comments)
    return f"{header}\n{tomli_w.dumps(tables)}"


def _ends(values: tuple[object, ...]) -> str:
    return f"{values[0]} … {values[-1]}" if len(values) > 1 else f"{values[0]}"

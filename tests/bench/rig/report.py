"""What was measured: as a table for people, as Markdown, and as JSON."""

import json
import statistics
from dataclasses import asdict, dataclass, field


@dataclass
class Row:
    """One figure, for each system: the median of its samples."""

    name: str
    unit: str
    command: str
    higher_is_better: bool = False
    samples: dict = field(default_factory=dict)  # system -> numbers
    # What the unikernel must reach, if it must: a bound for its own figure, or for how many times better it is.
    target: float | None = None
    factor: float | None = None
    # False where a ratio of the figures says nothing.
    comparable: bool = True

    def add(self, system, value):
        self.samples.setdefault(system, []).append(value)

    def value(self, system):
        values = self.samples.get(system)
        return statistics.median(values) if values else None

    def ratio(self):
        """How many times better the unikernel is."""
        ours, theirs = self.value("unikernel"), self.value("linux")
        if not ours or not theirs or not self.comparable:
            return None
        return ours / theirs if self.higher_is_better else theirs / ours

    def goal(self):
        """The target in words, and whether it is met; None where nothing was measured."""
        goals, verdicts = [], []
        ours = self.value("unikernel")
        if self.target is not None:
            goals.append(f"{'≥' if self.higher_is_better else '≤'} {number(self.target)} {self.unit}")
            if ours is not None:
                verdicts.append(ours >= self.target if self.higher_is_better else ours <= self.target)
        if self.factor is not None:
            goals.append(f"≥ {number(self.factor)}×")
            if self.ratio() is not None:
                verdicts.append(self.ratio() >= self.factor)
        return ", ".join(goals), all(verdicts) if verdicts else None


def number(value):
    """Three digits that matter, none that do not."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}"


HEADER = ["", "unit", "unikernel", "Linux guest", "times better", "target", ""]


def cells(row):
    goal, met = row.goal()
    ratio = row.ratio()
    return [
        row.name,
        row.unit,
        number(row.value("unikernel")),
        number(row.value("linux")),
        "–" if ratio is None else f"{number(ratio)}×",
        goal,
        {None: "", True: "met", False: "MISSED"}[met],
    ]


def text(facts, rows):
    lines = [f"{name}: {value}" for name, value in facts.items()]
    table = [HEADER, *map(cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADER))]
    lines.append("")
    for line in table:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    return "\n".join(lines)


def markdown(facts, rows):
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "| " + " | ".join(HEADER) + " |", "|---|---|---:|---:|---:|---|---|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    lines += ["", "How each was measured:", ""]
    lines += [f"- **{row.name}**: `{row.command}`" for row in rows]
    return "\n".join(lines) + "\n"


def as_json(facts, rows):
    def full(row):
        medians = {system: row.value(system) for system in row.samples}
        return asdict(row) | {"medians": medians, "times_better": row.ratio(), "met": row.goal()[1]}

    return json.dumps({"facts": facts, "rows": [full(row) for row in rows]}, indent=2) + "\n"

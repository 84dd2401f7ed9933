"""The zoo's results as lines, counts and a page. What an exporter refuses is listed, and counted nowhere."""

from collections import Counter
from dataclasses import dataclass


@dataclass
class Counts:
    files: int
    outcomes: Counter
    silent: int

    @property
    def share(self):
        return self.outcomes["right"] / self.files

    def sentence(self):
        kinds = "right", "wrong layer", "wrong map", "refused"
        named = ", ".join(f"{self.outcomes[kind]} {kind}" for kind in kinds)
        return f"{self.files} files: {named}; {self.silent} wrong without a warning; {100 * self.share:.1f} % right"


def counts(verdicts):
    judged = [one for one in verdicts if one.outcome != "no export"]
    return Counts(len(judged), Counter(one.outcome for one in judged), sum(one.silent for one in judged))


def line(verdict):
    head = f"{verdict.name:<34}{verdict.exporter:<8}{verdict.outcome:<12}"
    return f"{head}{'  '.join(part for part in details(verdict) if part)}"


def details(verdict):
    difference = "" if verdict.difference is None else f"{verdict.difference:.1e}"
    layer = f"{verdict.layer} ({verdict.meaning})" if verdict.layer else ""
    matches = f"= {verdict.matches}" if verdict.matches else ""
    spent = f"{verdict.load_seconds:.1f} s, {verdict.seconds:.1f} s for {verdict.passes} passes" if layer else ""
    return [layer, matches, difference, "; ".join(verdict.remarks), verdict.words, spent]


def page(verdicts, total):
    """Markdown: the counts, then one row for each file."""
    rows = [
        "| family | architecture | exporter | outcome | layer | layer of PyTorch | difference | words |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in verdicts:
        layer, matches, difference, remarks, words, _ = details(one)
        cells = [one.family, one.name, one.exporter, one.outcome, layer, matches[2:], difference,
                 "; ".join(filter(None, [remarks, words]))]  # fmt: skip
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([total.sentence() + ".", "", *rows, ""])

"""`python -m bench.scale`: simulate the scaling rule; write its figures and plots."""

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.common.files import write_json
from bench.scale.simulation import DAY, Load, Outcome, Rule, Simulation

TARGETS = (0.5, 0.75, 1.0, 1.5, 2.0)
COOLDOWNS = (60.0, 300.0, 900.0)
POLLINGS = (5.0, 15.0, 60.0)
BUSY = Load(edits_per_hour=10_000, seconds=DAY / 12)  # two hours; 2.1 GPUs on average
QUIET = Load(edits_per_hour=20)

Point = tuple[str, Rule, Outcome]

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def simulate(load: Load, rules: dict[str, list[Rule]]) -> list[Point]:
    """Run every rule of every series, with arrivals at the same rate."""
    return [
        (series, rule, Simulation(load, rule).run()) for series in rules for rule in rules[series]
    ]


def busy_rules() -> dict[str, list[Rule]]:
    """Return what is varied on a busy service, always with one worker that stays."""
    base = Rule(min_workers=1)
    rules = {
        f"cooldown {cooldown:.0f} s": [
            replace(base, cooldown=cooldown, target=target) for target in TARGETS
        ]
        for cooldown in COOLDOWNS
    }
    return rules | {"polling": [replace(base, polling=polling) for polling in POLLINGS]}


def quiet_rules() -> dict[str, list[Rule]]:
    """Return what is varied on a quiet service: from zero, or one worker that stays."""
    cooldowns = (*COOLDOWNS, 1800.0)
    return {
        "from zero": [Rule(cooldown=cooldown) for cooldown in cooldowns],
        "one stays": [Rule(min_workers=1)],
    }


def figures(points: list[Point]) -> list[dict[str, object]]:
    """Return a row for each run."""
    return [
        {
            "series": series,
            "target": rule.target,
            "cooldown": rule.cooldown,
            "polling": rule.polling,
            "min_workers": rule.min_workers,
            "edits": len(outcome.waits),
            "median_wait": round(outcome.wait(0.5), 1),
            "p95_wait": round(outcome.wait(0.95), 1),
            "max_wait": round(outcome.waits[-1], 1),
            "gpu_seconds_an_edit": round(outcome.gpu_seconds_an_edit, 2),
            "starts": outcome.starts,
            "handed_back": outcome.handed_back,
        }
        for series, rule, outcome in points
    ]


def plot(points: list[Point], label: str, path: Path) -> None:
    """Draw the 95th percentile of the wait against the cost, a line for each series."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for series in dict.fromkeys(series for series, _, _ in points):
        line = [(rule, outcome) for name, rule, outcome in points if name == series]
        costs = [outcome.gpu_seconds_an_edit for _, outcome in line]
        waits = [outcome.wait(0.95) for _, outcome in line]
        axes.plot(costs, waits, "o-", label=series)
        for (rule, _), cost, wait in zip(line, costs, waits, strict=True):
            text = f"{getattr(rule, label):g}"
            axes.annotate(text, (cost, wait), xytext=(3, 3), textcoords="offset points")
    axes.set(xlabel="GPU seconds an edit", ylabel="wait, 95th percentile, s", ylim=(0, None))
    axes.legend(title=f"numbers: {label}")
    figure.savefig(path, dpi=130)


def main() -> None:
    """Simulate both services; write `scaling.json` and two plots."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/scale"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    busy, quiet = simulate(BUSY, busy_rules()), simulate(QUIET, quiet_rules())
    write_json(out / "scaling.json", {"busy": figures(busy), "quiet": figures(quiet)})
    plot([point for point in busy if point[0] != "polling"], "target", out / "busy.png")
    plot(quiet, "cooldown", out / "quiet.png")
    for row in figures(busy) + figures(quiet):
        print(row)


if __name__ == "__main__":
    main()

"""What the commands do: read options, have the missing runs made, write the report."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from tdrec.cli.flags import Door
from tdrec.cli.options import Options, UsageError, help_text, read_options
from tdrec.cli.plans import Request
from tdrec.report.report import write_report
from tdrec.runtime.compilation import keep_compiled
from tdrec.runtime.files import replace_file
from tdrec.runtime.signals import Interrupted, signals_interrupt
from tdrec.studies.auto import Choice, choices
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.studies.plan import Plan
from tdrec.studies.pools import Processes, Remote
from tdrec.studies.results import only_writer
from tdrec.studies.row import Row
from tdrec.studies.runner import RESULTS, Outcome, run_plan
from tdrec.studies.tuned_values import tuned_values_text


def main(door: Door, argv: Sequence[str], about: str) -> int:
    """Parses the command line, makes the runs that are missing, and writes the report.

    Args:
        door: Which command.
        argv: The command line, program name first.
        about: What the help begins with.

    Returns:
        The exit status: 0, 1 if jobs failed, 2 for a wrong value, 128 and a signal's number after
        that signal, such as 130 after Ctrl-C.
    """
    return at_the_door(help_text(door, about), argv, lambda: _run(read_options(door, argv)))


def at_the_door(help_page: str, argv: Sequence[str], do: Callable[[], int]) -> int:
    """Does what a command does, or says what is wrong with it.

    Args:
        help_page: What is printed where help is asked for.
        argv: The command line, program name first.
        do: Gives the exit status.

    Returns:
        As `main`.
    """
    if {"-h", "--help", "-help"} & set(argv[1:]):
        print(help_page)
        return 0
    try:
        with signals_interrupt():
            return do()
    except (ValueError, OSError) as error:
        print(f"tdrec: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(
            "\ntdrec: interrupted. What is finished is on disk, and the same command goes on.",
            file=sys.stderr,
        )
        return interrupt.status if isinstance(interrupt, Interrupted) else 130


def _run(options: Options) -> int:
    keep_compiled(options.cache)
    pool = _pool(options)
    try:
        request = Request(options)
        for warning in request.warnings:
            print(f"\n*** {warning}\n", file=sys.stderr)
        with only_writer(options.out) as out:
            notes: list[str] = []
            chosen = None
            if request.chooses:
                print("auto: training one student of each method without the validation rows.")
                plan = request.validation_plan()
                found = run_plan(plan, out / "validation", options.cache, pool, _bar)
                if found.failures:
                    return _failed(found)
                picked = choices(found.rows, plan.metric, request.periods())
                chosen = {choice.task: choice.method for choice in picked}
                notes = [_note(choice, plan) for choice in picked]
            plan = request.plan(chosen, notes)
            _print_data(plan)
            outcome = run_plan(plan, out, options.cache, pool, _bar)
            return _report(plan, outcome, options)
    finally:
        pool.close()


def _pool(options: Options) -> Processes | Remote:
    """What computes: processes of this machine, or those of a Dask cluster."""
    if options.cluster is None:
        processes = Processes(options.workers, options.threads)
        if not (options.out / RESULTS).exists():
            processes.warm_up()
        return processes
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--cluster needs Dask, which is missing. Install: pip install 'tdrec[cluster]'"
        ) from error
    return Remote(Client(options.cluster).get_executor())


def _bar(missing: int, planned: int) -> Any:
    """Says how far a plan is, and shows how far it gets."""
    from tqdm import tqdm

    print(f"{planned - missing} of {planned} runs are done already; {missing} to go.")
    return tqdm(total=missing, unit="run", leave=False, disable=not missing)


def _print_data(plan: Plan) -> None:
    """What was read, before anything is made of it."""
    for data in {data.sha256: data for data in plan.data.values()}.values():
        facts = {"Training / evaluation rows": f"{data.n_train:,} / {data.n_test:,}", **data.facts}
        print(f"Read: {data.name}\n" + "\n".join(f"  {name}: {x}" for name, x in facts.items()))


def _note(choice: Choice, plan: Plan) -> str:
    """What a reader must know of a method that was chosen on validation rows."""
    known = {label: value for label, value in choice.values.items() if value is not None}
    shown = {k: "diverged" if v is None else f"{v:.4f}" for k, v in choice.values.items()}
    best = known[choice.label] == (min if plan.metric.sign < 0 else max)(known.values())
    why = "as best" if best else "since none is shown to be better"
    rolling = choice.periods > 1
    earlier = f", and on as many before them, {choice.periods} periods in all" if rolling else ""
    return (
        f"For {choice.task} auto chose {choice.label}, {why} by the {plan.metric.title} on the "
        f"{plan.units[0].task.earlier_rows} {VALIDATION_FRACTION:.0%} of the training rows"
        f"{earlier} (over users, at one seed): "
        f"{', '.join(f'{label} {value}' for label, value in shown.items())}."
    )


def _report(plan: Plan, outcome: Outcome, options: Options) -> int:
    """Writes the report and what was tuned, and prints what came of it."""
    status = _failed(outcome)
    if not outcome.rows:
        return status
    if any(row.tuned and row.validation for row in outcome.rows):
        replace_file(options.out / "tuned.json", tuned_values_text(outcome.rows))
    notes = list(plan.notes)
    if outcome.others:
        notes.append(
            f"{outcome.others} rows of {RESULTS} have another configuration, other data or were "
            "made by other code, and are not shown."
        )
    written = write_report(
        options.out,
        outcome.rows,
        title=plan.title,
        command=options.command,
        notes=notes,
        metric=plan.metric,
        task=type(plan.units[0].task),
        planned=sum(1 for _ in plan.runs()),
    )
    print(_table(outcome.rows, plan))
    if diverged := sum(row.status == "diverged" for row in outcome.rows):
        print(f"{diverged} of {len(outcome.rows)} runs diverged; the report shows them.")
    print("\n".join(str(path) for path in written))
    return status


def _failed(outcome: Outcome) -> int:
    """Prints what failed; gives the exit status."""
    for failure in outcome.failures:
        print(f"tdrec: {failure}", file=sys.stderr)
    return int(bool(outcome.failures))


def _table(rows: Sequence[Row], plan: Plan) -> str:
    """The mean of each label on each task, a block for each preset and setting."""
    labels = list(dict.fromkeys(unit.arm.name for unit in plan.units))
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        place = found.setdefault((row.preset, row.setting, row.place), {})
        place.setdefault(row.label, []).extend([] if row.value is None else [row.value])
    width = max(len(name) for name in (*labels, "0.0000")) + 2
    lines = [plan.metric.title.ljust(28) + "".join(label.rjust(width) for label in labels)]
    for (preset, setting, task), values in found.items():
        means = (values.get(label) for label in labels)
        cells = (f"{sum(of) / len(of):.{plan.metric.digits}f}" if of else "-" for of in means)
        name = " ".join(filter(None, (task, preset, setting)))
        lines.append(name.ljust(28) + "".join(cell.rjust(width) for cell in cells))
    return "\n".join(lines)

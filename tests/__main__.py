"""The tests, in one command: `python -m tests`, with further arguments for pytest.

`python -m tests --long` runs the second tier instead: what takes long, and no checks of style.
`python -m tests --coverage` prints at the end how many percent of tdrec's lines were run, those of
commands in processes of their own not counted; `python -m coverage report` then tells it by file.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# These modules use nothing but Keras, and are to run on its JAX backend as well; and these tests
# train, in the ways in which a training step on JAX is most unlike one on TensorFlow.
ON_BOTH_BACKENDS = (
    "distill/methods",
    "distill/test_codec.py",
    "distill/test_communication.py",
    "distill/test_losses.py",
    "distill/test_messages.py",
    "distill/test_model_split.py",
    "distill/test_model_split_refusals.py",
    "distill/test_state_method.py",
    "distill/test_term_weight.py",
    "distill/trainers/test_training_step_jax.py",
    "distill/test_row_order.py::test_a_run_cut_in_two_is_one_run",
    "distill/test_row_order.py::test_backup_and_restore_goes_on_in_order",
    "distill/test_callbacks.py::test_ramp_up_with_scaled_losses",
    "distill/test_callbacks.py::test_stages_of_the_ramp_up",
    "distill/test_distiller_teacher.py::test_a_layer_of_both_models_is_trained",
    "distill/test_distiller_saving.py::test_a_saved_distiller_finds_its_teacher_or_waits_for_it",
    "distill/test_distiller_execution.py::test_compilation_changes_nothing",
    "distill/test_distiller_models.py::test_evaluating_and_predicting_are_the_students",
    "tasks/test_distilled.py",  # what students of images are trained by, on both
)
# What XLA compiles runs a few times here, so these are for a quick compilation: a step of TD takes
# half the time. `pytest` alone compiles as users do.
QUICK = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
}
# JAX compiles whatever it runs.
JAX = {**QUICK, "KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
# Compiling takes most of the time, on one core: a process each, up to what the memory is for.
PROCESSES = str(min(os.cpu_count() or 1, 4))
# Whoever is done takes tests from the others, those of one file mostly together with its fixtures.
PYTEST = ("pytest", "-n", PROCESSES, "--dist", "worksteal")
LONG = "--long" in sys.argv
COVERAGE = "--coverage" in sys.argv  # an option, since tests take a third to a half longer with it
GIVEN = [argument for argument in sys.argv[1:] if argument not in ("--long", "--coverage")]
MEASURED = ("--cov=tdrec", "--cov-report=") if COVERAGE else ()
ADDED = (*MEASURED, "--cov-append") if COVERAGE else ()
# Each module that is run, and what is added to its environment.
Checks = tuple[tuple[tuple[str, ...], dict[str, str]], ...]
REPORT: Checks = ((("coverage", "report", "--format=total"), {}),) if COVERAGE else ()
SECOND_TIER: Checks = (((*PYTEST, *MEASURED, "-m", "long", *GIVEN), QUICK), *REPORT)
CHECKS: Checks = (
    (("ruff", "check", "."), {}),
    (("ruff", "format", "--check", "."), {}),
    (("mypy", "tdrec"), {}),
    ((*PYTEST, *MEASURED, "-m", "not long", *GIVEN), QUICK),
    ((*PYTEST, *ADDED, *(f"tests/{name}" for name in ON_BOTH_BACKENDS)), JAX),
    *REPORT,
)


def main() -> int:
    """Runs each check; returns the exit status of the first that fails, or 0."""
    for check, added in SECOND_TIER if LONG else CHECKS:
        print("$", *(f"{name}={value}" for name, value in added.items()), end=" " if added else "")
        print("python -m", *check, flush=True)
        status = subprocess.call([sys.executable, "-m", *check], cwd=ROOT, env=os.environ | added)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A distiller's training step on Keras's JAX backend: a pure function of its variables' values."""

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import keras

from tdrec.distill.trainers.training_step import BaseTrainingStep

Tensor = Any
Logs = dict[str, Tensor]
Values = list[Tensor]
State = tuple[Values, ...]  # what these variables hold, by Keras's names and in its order
STATE = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)


class TrainingStep(BaseTrainingStep):
    """The training step on JAX."""

    def train_step(
        self, state: State, data: Any, read: Sequence[Tensor] = ()
    ) -> tuple[Logs, State]:
        weights, others, of_optimizer, metrics = state
        variables = self.trainable_variables
        given = [
            *zip(variables, weights, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
            *zip(self.optimizer.variables, of_optimizer, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
            *zip(self.read_variables(), read, strict=False),
        ]

        def scaled_loss(learned: dict[int, Tensor]) -> tuple[Tensor, Any]:
            mapping = [*given, *((variables[i], weight) for i, weight in learned.items())]
            with keras.StatelessScope(mapping, collect_losses=True) as scope:
                losses = self.step_losses(data)
                scaled = self.optimizer.scale_loss(losses.total)
            others = _values(scope, self.non_trainable_variables)
            return scaled, (losses, others, _values(scope, self.metrics_variables))

        learning = {id(v) for v in self.learning_and_resting()[0]}
        learned = {i: weights[i] for i, v in enumerate(variables) if id(v) in learning}
        gradients, (losses, others, metrics) = jax.grad(scaled_loss, has_aux=True)(learned)
        weights, of_optimizer = self._descend(gradients, weights, of_optimizer)
        with keras.StatelessScope(zip(self.metrics_variables, metrics, strict=True)) as scope:
            logs = self.step_logs(data, losses)
        return logs, (weights, others, of_optimizer, _values(scope, self.metrics_variables))

    def test_step(self, state: Any, data: Any) -> tuple[Logs, Any]:
        logs, state = super().test_step(state, data)
        return self.test_logs(logs), state

    def make_step(self, force: bool) -> None:
        if self.train_function is not None and not force:
            return

        # JAX knows by the function what it has compiled, so each that is made here is another one.
        def step(state: State, data: Any, read: Values) -> tuple[Logs, State]:
            return self.train_step(state, data, read)

        # What a step reads without being given it is written as numbers into what is compiled:
        # of a large teacher that would be gigabytes, and a new weight of a term would not be seen.
        variables = self.read_variables()
        compiles = self.jit_compile and not self.run_eagerly
        run = jax.jit(step, donate_argnums=0) if compiles else step
        outside = compiles and self.teacher_outside

        def read() -> Values:
            return [v.value for v in variables]

        def one(state: State, data: Any) -> tuple[Logs, State]:
            return run(state, self.taught(data) if outside else data, read())

        steps = self._make_function(one)

        def train(state: State, batches: Any) -> tuple[Logs, State]:
            state = _each_its_own(state, read())
            # Keras has taken the variables' values: of a step that is refused they are given back.
            self._jax_state = dict(zip(STATE, state, strict=True))
            return steps(state, batches)

        self.train_function = train

    def _descend(
        self, gradients: dict[int, Tensor], weights: Values, of_optimizer: Values
    ) -> tuple[Values, Values]:
        """One step of the optimizer on the weights, by their places, that have a gradient."""
        of_all = [gradients.get(i) for i in range(len(weights))]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Gradients do not exist")  # of what is frozen
            moved, of_optimizer = self.optimizer.stateless_apply(of_optimizer, of_all, weights)
        # An optimizer that averages weights writes to all that it knows, so the frozen are kept.
        kept = [moved[i] if i in gradients else weight for i, weight in enumerate(weights)]
        return kept, of_optimizer


def _values(scope: keras.StatelessScope, variables: list[keras.Variable]) -> Values:
    return [scope.get_current_value(v) for v in variables]


def _each_its_own(state: State, read: Values) -> State:
    """The same values, none of them twice: JAX takes over their memory for what they become.

    Assigning a variable to another leaves both with one array on JAX: a student that begins with
    its teacher's weights, or a weight and its average where an optimizer averages.
    """
    seen = {id(value) for value in read}

    def own(value: Tensor) -> Tensor:
        again = id(value) in seen
        seen.add(id(value))
        return jax.numpy.copy(value) if again else value

    return tuple([own(value) for value in values] for values in state)

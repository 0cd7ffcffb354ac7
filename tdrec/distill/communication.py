"""The interactive communication of two models: the k-round exchange, pure and stateless.

Source: "Talking Models", arXiv 2310.03188, section 3.3 and Algorithm 1, lines 10 to 19.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

Tensor = Any
State = tuple[Tensor, Tensor]


class Conversation(NamedTuple):
    """What was said in `rounds` rounds, in order.

    Attributes:
        messages: The messages in the order in which they were sent: the student's opening message
            `m_g^0`, the teacher's answer `m_h^1`, the student's next `m_g^1`, ... ending with the
            teacher's last answer. Only `m_g^0` when there are no rounds. Each `(batch, ..., m_d)`.
        states: For each round the student's decoded `(low, high)`, `{s'_g; e'_g}`.
        targets: For each round the student's own `(low, high)` that the decoded ones answer: the
            original states in the first round, `{s'_g; e~_g}` of the round before in the others.
        teacher_states: For each round the teacher's decoded `(low, high)`, `{s'_h; e'_h}`.

    Example:
        >>> talk = Conversation(
        ...     messages=("m_g^0", "m_h^1"),
        ...     states=(("s'_g", "e'_g"),),
        ...     targets=(("s_g", "e_g"),),
        ...     teacher_states=(("s'_h", "e'_h"),),
        ... )
        >>> for answered, decoded in zip(talk.targets, talk.states, strict=True):
        ...     print(answered, "is compared with", decoded)
        ('s_g', 'e_g') is compared with ("s'_g", "e'_g")
    """

    messages: tuple[Tensor, ...]
    states: tuple[State, ...]
    targets: tuple[State, ...]
    teacher_states: tuple[State, ...]


def communicate(
    student_state: State,
    *,
    student_middle: Callable[[Tensor], Tensor],
    teacher_middle: Callable[[Tensor], Tensor] | None,
    student_encoder: Callable[[Tensor, Tensor], Tensor],
    student_decoder: Callable[[Tensor], State],
    teacher_encoder: Callable[[Tensor, Tensor], Tensor],
    teacher_decoder: Callable[[Tensor], State],
    rounds: int,
    perturb: Callable[[Tensor], Tensor] | None = None,
) -> Conversation:
    r"""Lets student and teacher talk for `rounds` rounds about one batch.

    A round, with $m_g^i$ the student's message (lines 11 to 18 of Algorithm 1):

    - $\{s'_h; e'_h\} = D_h(m_g^i)$ and $\tilde e_h = H_h(s'_h)$: the teacher decodes, interprets,
    - $m_h^{i+1} = E_h(\{s'_h; \tilde e_h\})$: and answers;
    - $\{s'_g; e'_g\} = D_g(m_h^{i+1})$: the student decodes the answer;
    - $\tilde e_g = H_g(s'_g)$, $m_g^{i+1} = E_g(\{s'_g; \tilde e_g\})$: if another round follows.

    Gradients flow through everything, the teacher's middle included: its weights are frozen, yet
    the student's encoder and the teacher's decoder learn through it. Line 13 of the algorithm
    prints $E_g$; section 3.3 and the meaning ask for the teacher's encoder, $E_h$. What no loss
    could use is not computed: the last round ends with the student's decoding.

    Args:
        student_state: The student's `(low, high)`, shapes `(batch, ..., low_dim)` and
            `(batch, ..., high_dim)`.
        student_middle: `middle(low) -> high`, the student's layers between its two states.
        teacher_middle: The same of the teacher, frozen by whoever applies the gradients. With None
            the teacher does not interpret: its answer encodes what it decoded, $\{s'_h; e'_h\}$.
        student_encoder: `encoder(low, high) -> message`.
        student_decoder: `decoder(message) -> (low, high)`, of the student's shapes.
        teacher_encoder: As the student's, from the teacher's shapes.
        teacher_decoder: As the student's, to the teacher's shapes.
        rounds: How often the teacher answers, `k >= 0`. With 0 only the opening message is made.
        perturb: Applied to $s'_h$ before the teacher interprets it (the paper's noise ablation
            adds a small Gaussian noise). Default None: nothing.

    Returns:
        The `Conversation`.

    Raises:
        ValueError: If `rounds` is negative or not an integer.

    Example:
        >>> low, high, prediction = student_split(x)
        >>> talk = communicate(
        ...     (low, high),
        ...     student_middle=student_split.interpret,
        ...     teacher_middle=teacher_split.interpret,
        ...     student_encoder=MessageEncoder(),
        ...     student_decoder=MessageDecoder(8, 4),
        ...     teacher_encoder=MessageEncoder(),
        ...     teacher_decoder=MessageDecoder(16, 8),
        ...     rounds=2,
        ... )
        >>> len(talk.messages), len(talk.states)
        (4, 2)

    Source:
        Section 3.3 and Algorithm 1 of the paper; the noise is Table 8's.
    """
    if not isinstance(rounds, int) or rounds < 0:
        raise ValueError(f"`rounds` must be an integer of at least 0. Received: {rounds!r}.")
    low, high = student_state
    messages = [student_encoder(low, high)]
    states: list[State] = []
    targets: list[State] = []
    teacher_states: list[State] = []
    for i in range(rounds):
        if i > 0:
            low = states[-1][0]
            high = student_middle(low)
            messages.append(student_encoder(low, high))
        targets.append((low, high))
        teacher_states.append(teacher_decoder(messages[-1]))
        heard, understood = teacher_states[-1]
        if perturb is not None:
            heard = perturb(heard)
        if teacher_middle is not None:
            understood = teacher_middle(heard)
        messages.append(teacher_encoder(heard, understood))
        states.append(student_decoder(messages[-1]))
    return Conversation(tuple(messages), tuple(states), tuple(targets), tuple(teacher_states))

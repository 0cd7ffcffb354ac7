"""The paper's equations in plain NumPy, in float64: what the tests hold the Keras code against."""

from typing import NamedTuple

import numpy as np


def rows_of(a, b):
    """Pairs of feature vectors, and the shape that one value for each of them has."""
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    lead = a.shape[:-1]
    return zip(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]), strict=True), lead


def by_row(formula, a, b):
    pairs, lead = rows_of(a, b)
    return np.array([formula(m, n) for m, n in pairs]).reshape(lead)


def l2(a, b):
    return by_row(lambda m, n: np.sum((m - n) ** 2) / len(m), a, b)


def cosine(a, b):
    return by_row(lambda m, n: 1 - m @ n / (np.linalg.norm(m) * np.linalg.norm(n)), a, b)


def pearson(a, b):
    return by_row(lambda m, n: 1 - np.corrcoef(m, n)[0, 1], a, b)


def softmax(logits):
    powers = np.exp(logits - np.max(logits))
    return powers / np.sum(powers)


def kl(teacher, student, temperature=1.0):
    def divergence(t, s):
        p, q = softmax(t / temperature), softmax(s / temperature)
        return temperature**2 * sum(m * np.log(m / n) for m, n in zip(p, q, strict=True) if m > 0)

    return by_row(divergence, teacher, student)


def binary_kl(teacher, student, temperature=1.0):
    def divergence(t, s):
        # p log(p/q) + (1-p) log((1-p)/(1-q)) with the logarithms taken together.
        t, s = t / temperature, s / temperature
        p = 1 / (1 + np.exp(-t))
        return temperature**2 * np.mean(p * (t - s) + np.logaddexp(0, s) - np.logaddexp(0, t))

    return by_row(divergence, teacher, student)


DISTANCES = {"l2": l2, "cosine": cosine, "pearson": pearson}


def mean(values, weight=None):
    """Sum of weight times value over the number of values."""
    total = 0.0
    for i, value in enumerate(values):
        total += (1.0 if weight is None else float(np.ravel(weight)[i])) * np.sum(value)
    return total / values.size


def codec(layer, x):
    """What a message encoder or decoder makes of `x`, from the layer's weights alone."""
    weights = {v.path.split("/body/")[-1]: v.numpy().astype("float64") for v in layer.variables}
    if not layer.linear:
        norm = layer.body.get_layer("norm")
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + norm.epsilon)
        x = centred / spread * weights["norm/gamma"] + weights["norm/beta"]
        x = np.maximum(x @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    return x @ weights["output/kernel"] + weights["output/bias"]


class Speaker(NamedTuple):
    """One of the two models: how it encodes, decodes, and interprets."""

    encode: object
    decode: object
    middle: object


def speaker(encoder, decoder, middle):
    def decode(message):
        states = codec(decoder, message)
        return states[..., : decoder.low_dim], states[..., decoder.low_dim :]

    return Speaker(
        lambda low, high: codec(encoder, np.concatenate([low, high], -1)), decode, middle
    )


class Talk(NamedTuple):
    student_messages: dict
    teacher_messages: dict
    own: list
    decoded: list
    heard: list


def talk(state, student, teacher, rounds):
    """Lines 4 and 10 to 19 of Algorithm 1, as printed, with the teacher's encoder in line 13."""
    s_g, e_g = state
    m_g, m_h = {0: student.encode(s_g, e_g)}, {}
    own, decoded, heard = [], [], []
    for i in range(rounds):
        s_h, e_h = teacher.decode(m_g[i])
        interpreted_h = teacher.middle(s_h)
        m_h[i + 1] = teacher.encode(s_h, interpreted_h)
        answer = student.decode(m_h[i + 1])
        own.append((s_g, e_g))
        decoded.append(answer)
        heard.append((s_h, e_h))
        interpreted_g = student.middle(answer[0])
        s_g, e_g = answer[0], interpreted_g
        m_g[i + 1] = student.encode(s_g, e_g)
    return Talk(m_g, m_h, own, decoded, heard)


def between(distance, a, b, weight=None):
    """Distance of two states: of the low ones plus of the high ones."""
    d = DISTANCES[distance]
    return mean(d(a[0], b[0]), weight) + mean(d(a[1], b[1]), weight)


def talking_models(student, teacher, g, h, rounds, distance="l2", target="latest", weight=None):
    """L_interact by round, L_MC and L_SC, unweighted, of the states of both."""
    exchange = talk(student, g, h, rounds)
    message_g, message_h = g.encode(*student), h.encode(*teacher)
    interact = {}
    for i in range(rounds):
        compared = student if target == "original" else exchange.own[i]
        interact[f"interaction_loss_{i + 1}"] = between(
            distance, compared, exchange.decoded[i], weight
        )
    message = mean(DISTANCES[distance](message_g, message_h), weight)
    state = between(distance, student, g.decode(message_h), weight) + between(
        distance, teacher, h.decode(message_g), weight
    )
    return {**interact, "message_loss": message, "state_loss": state}

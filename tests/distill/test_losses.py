import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

import numpy_reference as reference
from gradients import value_and_gradients
from tdrec.distill import losses

RNG = np.random.default_rng(0)
A = RNG.normal(size=(6, 5)).astype("float32")
B = RNG.normal(size=(6, 5)).astype("float32")

laws = settings(deadline=None, max_examples=40)
values = st.floats(-8, 8, width=32)
pairs = arrays("float32", (2, 3, 6), elements=values)


def too_flat(x):
    """Whether a row is too flat for a correlation to mean anything in float32."""
    return (np.std(np.asarray(x, "float64"), axis=-1) < 0.1).any()


@pytest.mark.parametrize("name", ["l2", "cosine", "pearson"])
@pytest.mark.parametrize("shape", [(6, 5), (2, 3, 4), (7,), (2, 300)])
def test_distance_equals_numpy(name, shape):
    rng = np.random.default_rng(1)
    a = rng.normal(size=shape).astype("float32")
    b = (3 * rng.normal(size=shape) + 1).astype("float32")
    result = losses.get(name)(a, b)
    assert result.shape == shape[:-1]
    np.testing.assert_allclose(result, reference.DISTANCES[name](a, b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("name", ["kl", "binary_kl"])
@pytest.mark.parametrize("shape", [(6, 5), (2, 3, 5), (5,)])
def test_logit_divergence_equals_numpy(name, shape, temperature):
    a, b = 3 * np.resize(A, shape), 3 * np.resize(B, shape)
    result = getattr(losses, name)(a, b, temperature)
    assert result.shape == shape[:-1]
    expected = getattr(reference, name)(a, b, temperature)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_logit_divergence_is_of_the_student_from_the_teacher():
    teacher, student = np.array([[0.0, 5.0]], "float32"), np.array([[0.0, 0.0]], "float32")
    p = np.exp(5) / (1 + np.exp(5))
    expected = p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))
    np.testing.assert_allclose(losses.kl(teacher, student), [expected], rtol=1e-5)


@pytest.mark.parametrize("name", ["kl", "binary_kl"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_extreme_logits_are_finite_and_right(name, temperature):
    teacher = np.array([[100.0, -100.0], [100.0, 100.0], [-100.0, 100.0], [0.0, 100.0]], "float32")
    student = np.array([[-100.0, 100.0], [100.0, -100.0], [-100.0, 100.0], [100.0, 0.0]], "float32")
    result = ops.convert_to_numpy(getattr(losses, name)(teacher, student, temperature))
    assert np.isfinite(result).all()
    expected = getattr(reference, name)(teacher, student, temperature)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["kl", "binary_kl"])
def test_gradient_at_extreme_logits_is_finite(name):
    divergence = getattr(losses, name)
    teacher = np.array([[-100.0, 100.0], [100.0, -100.0]], "float32")
    student = keras.Variable(-teacher)
    _, gradient = value_and_gradients(lambda: ops.sum(divergence(teacher, student)), student)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["l2", "cosine", "pearson"])
def test_gradient_of_a_distance_is_finite_where_it_is_zero(name):
    for start in (np.zeros((1, 4), "float32"), A[:1]):
        a = keras.Variable(start)
        _, gradient = value_and_gradients(lambda a=a, b=start: ops.sum(losses.get(name)(a, b)), a)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["l2", "cosine", "pearson", "kl", "binary_kl"])
def test_half_precision_is_computed_in_float32(name, dtype):
    # 300 squared is beyond float16, and bfloat16 has three digits.
    a, b = ops.cast(300 * A[:, :4], dtype), ops.cast(30 * B[:, :4] + 1, dtype)
    exact_a, exact_b = (ops.convert_to_numpy(ops.cast(t, "float32")) for t in (a, b))
    result = getattr(losses, name)(a, b)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    expected = getattr(reference, name)(exact_a, exact_b)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["l2", "cosine", "pearson", "kl", "binary_kl"])
def test_a_default_float_of_half_precision_is_not_computed_in(name):
    keras.config.set_floatx("float16")
    try:
        result = getattr(losses, name)(A, B)
    finally:
        keras.config.set_floatx("float32")
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_allclose(result, getattr(reference, name)(A, B), rtol=1e-5, atol=1e-6)


@laws
@given(pairs)
def test_distance_of_a_tensor_from_itself_is_zero(pair):
    a = pair[0]
    np.testing.assert_array_equal(losses.l2(a, a), np.zeros(3))
    assert (abs(ops.convert_to_numpy(losses.kl(a, a))) < 1e-6).all()
    assert (abs(ops.convert_to_numpy(losses.binary_kl(a, a))) < 1e-6).all()
    if not too_flat(a):
        np.testing.assert_allclose(losses.cosine(a, a), np.zeros(3), atol=1e-5)
        np.testing.assert_allclose(losses.pearson(a, a), np.zeros(3), atol=1e-5)


@laws
@given(pairs)
def test_distances_are_symmetric(pair):
    a, b = pair
    for distance in losses.DISTANCES.values():
        np.testing.assert_allclose(distance(a, b), distance(b, a), rtol=1e-6, atol=1e-6)


@laws
@given(pairs, st.floats(0.5, 20))
def test_divergences_are_not_negative(pair, temperature):
    for divergence in (losses.kl, losses.binary_kl):
        result = ops.convert_to_numpy(divergence(pair[0], pair[1], temperature))
        assert (result >= -1e-6 * temperature**2).all()


@laws
@given(pairs, st.floats(0.25, 4), st.floats(-4, 4))
def test_pearson_is_blind_to_scale_and_offset(pair, scale, offset):
    a, b = pair
    if too_flat(a) or too_flat(b):
        return
    moved = (scale * a + offset).astype("float32")
    np.testing.assert_allclose(losses.pearson(moved, b), losses.pearson(a, b), atol=1e-4)


@laws
@given(pairs)
def test_angles_lie_between_0_and_2(pair):
    for distance in (losses.cosine, losses.pearson):
        result = ops.convert_to_numpy(distance(*pair))
        assert (result > -1e-5).all()
        assert (result < 2 + 1e-5).all()


def test_opposite_vectors_are_at_distance_2():
    np.testing.assert_allclose(losses.cosine(A, -A), np.full(6, 2.0), rtol=1e-6)
    np.testing.assert_allclose(losses.pearson(A, 3 - A), np.full(6, 2.0), rtol=1e-6)


def test_zero_and_constant_vectors_are_at_distance_1():
    np.testing.assert_allclose(losses.cosine(np.zeros((6, 5), "float32"), A), np.ones(6))
    np.testing.assert_allclose(losses.pearson(np.ones((6, 5), "float32"), A), np.ones(6), atol=1e-5)


def test_the_angle_of_vectors_fades_with_their_length():
    short = np.array([[0.06, 0.08], [0.006, 0.008]], "float32")
    expected = [1 - 1e-2 / np.sqrt(1e-4 + 1e-8), 1 - 1e-4 / np.sqrt(1e-8 + 1e-8)]
    np.testing.assert_allclose(losses.cosine(short, short), expected, rtol=1e-4, atol=1e-6)


@laws
@given(arrays("float32", (4, 3), elements=values), arrays("float32", 4, elements=values))
def test_weighted_mean_divides_by_the_number_of_values(v, w):
    expected = np.sum(w[:, None].astype("float64") * v) / v.size
    np.testing.assert_allclose(losses.mean(v, w), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(losses.mean(v[:, 0], w), np.sum(w * v[:, 0]) / 4, atol=1e-4)
    np.testing.assert_allclose(losses.mean(v[:, 0], w[:, None]), np.sum(w * v[:, 0]) / 4, atol=1e-4)
    np.testing.assert_allclose(losses.mean(v), np.mean(v.astype("float64")), atol=1e-5)


def test_integer_weights_are_accepted():
    v = ops.convert_to_tensor([1.0, 2.0, 4.0])
    np.testing.assert_allclose(losses.mean(v, np.array([0, 1, 2])), 10 / 3, rtol=1e-6)


def test_mean_weighs_tokens():
    values = np.arange(24.0).reshape(2, 3, 4)
    weight = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    expected = (values * weight[:, :, None]).sum() / 24
    np.testing.assert_allclose(losses.mean(values, weight), expected, rtol=1e-6)
    np.testing.assert_allclose(losses.mean(values[..., 0], weight), values[0, :2, 0].sum() / 6 + 2)


def test_mean_weighs_each_of_many_values_and_of_one_token():
    values = np.arange(300.0)
    np.testing.assert_allclose(losses.mean(values, values + 1), values @ (values + 1) / 300)
    tokens = np.arange(6.0).reshape(2, 1, 3)
    np.testing.assert_allclose(losses.mean(tokens, tokens), (tokens**2).sum() / 6)


@pytest.mark.parametrize("shape", [(2, 4), (2, 2), (2, 0), (3,), (1,), (2, 3, 1)])
def test_mean_refuses_weights_of_other_axes(shape):
    with pytest.raises(ValueError, match=rf"Received: weights of shape {re.escape(str(shape))}"):
        losses.mean(np.ones((2, 3)), np.ones(shape))


@pytest.mark.parametrize("shape", [(6, 1), (1, 5), (5,), (6,), (6, 5, 1)])
@pytest.mark.parametrize("name", ["l2", "cosine", "pearson", "kl", "binary_kl"])
def test_nothing_is_broadcast(name, shape):
    with pytest.raises(ValueError, match="never broadcasts") as error:
        getattr(losses, name)(A, np.zeros(shape, "float32"))
    assert f"Received: shapes (6, 5) and {shape}" in str(error.value)
    assert "Project one of them" in str(error.value)
    with pytest.raises(ValueError, match="never broadcasts"):
        getattr(losses, name)(np.zeros(shape, "float32"), A)


def test_unknown_batch_size_is_no_mismatch():
    symbolic = losses.l2(keras.KerasTensor((None, 5)), keras.KerasTensor((4, 5)))
    assert symbolic.shape in [(None,), (4,)]


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
@pytest.mark.parametrize("name", ["kl", "binary_kl"])
def test_temperature_must_be_positive(name, temperature):
    with pytest.raises(
        ValueError, match=f"`temperature` must be positive. Received: {temperature}"
    ):
        getattr(losses, name)(A, B, temperature)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(ValueError, match="one of cosine, l2, pearson. Received: 'L2'"):
        losses.get("L2")
    with pytest.raises(ValueError, match="one of regression, binary, classes. Received: 'clicks'"):
        losses.check_task("clicks")
    with pytest.raises(ValueError, match="one of regression, binary, classes. Received: 'clicks'"):
        losses.logit_loss(A, B, "clicks")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("regression", reference.l2(A, B)),
        ("binary", reference.binary_kl(A, B, 2.0)),
        ("classes", reference.kl(A, B, 2.0)),
    ],
)
def test_logit_loss_by_task(task, expected):
    np.testing.assert_allclose(losses.logit_loss(A, B, task, 2.0), expected, rtol=1e-5)


def test_logit_loss_is_of_ratings_and_of_temperature_1_unless_it_is_said():
    np.testing.assert_allclose(losses.logit_loss(A, B), reference.l2(A, B), rtol=1e-5)
    for task, expected in (("binary", reference.binary_kl), ("classes", reference.kl)):
        np.testing.assert_allclose(losses.logit_loss(A, B, task), expected(A, B), rtol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_what_is_lost_on_labels_of_one_number_a_row(shape):
    y, shown = np.array([0.0, 1.0, 1.0, 0.0], "float32"), np.linspace(-2, 2, 4, dtype="float32")
    for prediction in (shown, shown[:, None]):
        found = losses.on_labels(y.reshape(shape), prediction, "regression")
        np.testing.assert_allclose(found, (y - shown) ** 2, rtol=1e-6)
        p = 1 / (1 + np.exp(-shown))
        found = losses.on_labels(y.reshape(shape), prediction, "binary")
        np.testing.assert_allclose(found, -np.log(np.where(y > 0, p, 1 - p)), rtol=1e-5)


def test_labels_that_do_not_belong_to_the_outputs():
    with pytest.raises(ValueError, match="never broadcasts"):
        losses.on_labels(np.ones((4, 2)), np.ones((4, 3)), "classes")


@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 2)])
def test_relative_is_in_units_of_the_targets_spread(shape):
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, *shape)).astype("float32")
    axes = tuple(range(len(shape) - 1))
    expected = ((a - b) ** 2).mean(-1) / (b.var(axes).mean() + 1e-4)
    np.testing.assert_allclose(losses.relative(a, b), expected, rtol=1e-4)
    # The unit of the numbers says nothing, and the mean of the target is at distance 1.
    np.testing.assert_allclose(losses.relative(10 * a, 10 * b), expected, rtol=1e-3)
    mean = np.broadcast_to(b.mean(axes), shape)
    assert float(np.mean(losses.relative(mean, b))) == pytest.approx(1, rel=1e-3)
    assert np.isfinite(losses.relative(a, np.ones(shape, "float32"))).all()

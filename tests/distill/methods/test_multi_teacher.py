"""Several teachers at once: what each gives, how much it counts, and one message space for all."""

import keras
import numpy as np
import pytest

from own_method import RoundedLabels
from small_distillers import X, Y, assert_all_close, fit, numbers, student_of, talking
from small_models import numpy_trace, small_model
from tdrec.distill.balance import BalanceTerms
from tdrec.distill.callbacks import RampUp, TermSchedule, switch_off
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.layers import DistillationTerms
from tdrec.distill.methods import FitNet, LabelDistillation, Scratch
from tdrec.distill.methods.multi_teacher import MultiTeacher
from tdrec.distill.methods.sum import Sum
from tdrec.distill.model_split import Trace
from tdrec.distill.predictor import Predictor
from tdrec.distill.sample_weights import Labels, SampleWeights
from tdrec.distill.several_teachers import joined

WIDTHS = ((7, 6), (9, 3), (4, 8))


def student():
    return split_model(small_model(5, 4, 0, "student"), "low", "high")


def teachers(count=2, outputs=1):
    return [
        split_model(small_model(low, high, 50 + i, f"teacher_{i}", outputs=outputs), "low", "high")
        for i, (low, high) in enumerate(WIDTHS[:count])
    ]


def learning_from(given, method, *, loss="mse", seed=0, of=None):
    keras.utils.set_random_seed(seed)
    distiller = Distiller(of or student(), given, method)
    distiller.compile(keras.optimizers.Adam(0.01), loss=loss, run_eagerly=True)
    return distiller


def terms_of(distiller, data=(X, Y)):
    return {name: float(value) for name, value in distiller.compute_losses(data)[2].items()}


def test_each_teacher_gives_its_terms_times_its_weight():
    first, second = teachers()
    method = MultiTeacher([talking(2), Sum([FitNet(3.0), LabelDistillation()])], weights=(2, 0.25))
    both = learning_from([first, second], method)
    found = terms_of(both)
    assert tuple(found) == method.terms
    for i, (teacher, weight) in enumerate(((first, 2), (second, 0.25))):
        inner = both.method.methods[i]
        alone = learning_from(teacher, type(inner).from_config(inner.get_config()))
        for mine, its in zip(alone.method.variables, inner.variables, strict=True):
            mine.assign(its)
        expected = {f"teacher_{i + 1}_{n}": weight * v for n, v in terms_of(alone).items()}
        assert {n: found.pop(n) for n in expected} == pytest.approx(expected, rel=1e-6)
    assert not found


@pytest.mark.parametrize("weights", [None, "row"])
def test_one_teacher_in_a_list_is_that_teacher_alone(weights):
    def method():
        keras.utils.set_random_seed(1)  # of the noise
        return Sum([talking(1, noise=0.1), LabelDistillation()])

    (teacher,) = teachers(1)
    alone = learning_from(teacher, method())
    listed = learning_from([teacher], MultiTeacher([method()], weights))
    expected, found = fit(alone, epochs=2), fit(listed, epochs=2)
    for name, values in expected.items():
        known = name if name in found else f"teacher_1_{name}"
        np.testing.assert_array_equal(found[known], values, err_msg=name)
    assert_all_close(numbers(student_of(listed)), numbers(student_of(alone)), rtol=0)


def test_without_weights_all_are_equal():
    evenly, by_hand = (
        learning_from(teachers(), MultiTeacher([LabelDistillation(), talking()], weights))
        for weights in (None, (0.5, 0.5))
    )
    assert fit(evenly) == fit(by_hand)
    assert MultiTeacher([talking() for _ in range(3)]).teacher_weights == (1 / 3,) * 3


def softmax(values):
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_by_row_a_teacher_counts_by_what_it_loses_on_the_label():
    given = teachers(3)
    methods = [LabelDistillation(2.0), LabelDistillation(), LabelDistillation()]
    distiller = learning_from(given, MultiTeacher(methods, "row", temperature=0.5))
    labelled = np.array([1.0, 0.0] * 6, "float32")
    taught = np.linspace(0.5, 1.5, 12).astype("float32")
    y = np.where(labelled[:, None] > 0, Y, np.nan).astype("float32")
    _, task, _ = distiller.compute_losses((X, Y, SampleWeights(labelled, taught)))
    assert np.isfinite(task)
    data = (X, y, SampleWeights(labelled, taught))
    found = terms_of(distiller, data)
    predicted = np.stack([numpy_trace(s.model, X)[2][:, 0] for s in given], axis=-1)
    lost = np.where(labelled[:, None] > 0, (predicted - Y) ** 2, 0.0)
    weights = softmax(-lost / 0.5)
    np.testing.assert_allclose(weights[1], 1 / 3)
    mine = numpy_trace(student_of(distiller), X)[2]
    expected = (taught[:, None] * weights * (mine - predicted) ** 2).mean(0) * [2, 1, 1]
    assert list(found.values()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("labels", [(X, None), (X, Y, SampleWeights(np.zeros(12), None))])
def test_without_labels_all_count_evenly(labels):
    methods = [LabelDistillation(), talking()]
    distiller = learning_from(teachers(), MultiTeacher(methods, "row"), loss="mse")
    evenly = learning_from(teachers(), MultiTeacher(methods_again(methods)))
    weighted = distiller.method.losses_of(
        *traces(distiller), **middles(distiller), labels=Labels(*labels_of(labels))
    )
    expected = terms_of(evenly)
    assert {n: float(v) for n, v in weighted.items()} == pytest.approx(expected, rel=1e-6)


def methods_again(methods):
    return [type(method).from_config(method.get_config()) for method in methods]


def labels_of(data):
    _, y, *weights = data
    return y, weights[0].task if weights else None


def traces(distiller):
    return distiller.student(X), distiller.teacher(X)


def middles(distiller):
    return {
        "student_middle": distiller.student.interpret,
        "teacher_middle": distiller.teacher.interpreter(X),
    }


@pytest.mark.parametrize("classes", ["indices", "one-hot", "probabilities"])
def test_by_row_of_classes(classes):
    method = MultiTeacher(
        [LabelDistillation() for _ in range(2)],
        "row",
        task="classes",
        from_logits=False if classes == "probabilities" else None,
    )
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (2, 6, 4)).astype("float32")
    label = random.integers(0, 4, 6)
    lost = -np.log(softmax(logits))[:, np.arange(6), label]
    shown = softmax(logits) if classes == "probabilities" else logits
    y = np.eye(4, dtype="float32")[label] if classes == "one-hot" else label
    student_trace = Trace(None, None, keras.ops.zeros((6, 4)))
    found = method.row_weights(student_trace, of_predictions(shown), Labels(y))
    expected = softmax(-lost.T)
    # With two teachers these are the weights of CA-MKD: 1 - softmax of the losses.
    np.testing.assert_allclose(expected, 1 - softmax(lost.T), rtol=1e-5)
    for i, weights in enumerate(found.values()):
        np.testing.assert_allclose(weights, expected[:, i], rtol=1e-4)


def of_predictions(predictions):
    traces = [Trace(None, None, keras.ops.convert_to_tensor(p)) for p in predictions]
    return joined({f"teacher_{i}": trace for i, trace in enumerate(traces, 1)})


def test_by_row_of_clicks_of_tokens_that_are_there():
    method = MultiTeacher([LabelDistillation(), LabelDistillation()], "row", task="binary")
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (2, 5, 3, 1)).astype("float32")
    y = random.integers(0, 2, (5, 3)).astype("float32")
    there = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
    x = keras.Input((3, 1))
    masked = keras.layers.Masking()(x)
    of_student = keras.Model(x, masked)(there[..., None].astype("float32"))
    weight = np.array([1, 1, 1, 1, 0], "float32")
    found = method.row_weights(
        Trace(None, None, of_student), of_predictions(logits), Labels(y, weight)
    )
    p = 1 / (1 + np.exp(-logits[..., 0].astype("float64")))
    lost = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    rows = (lost * there).sum(-1) / np.maximum(there.sum(-1), 1)
    rows[:, 4] = 0
    expected = softmax(-rows.T)
    np.testing.assert_allclose(found["teacher_1"], expected[:, 0], rtol=1e-4)
    np.testing.assert_allclose(found["teacher_2"][3:], [0.5, 0.5])


def test_labels_of_several_outputs_need_a_name():
    method = MultiTeacher([LabelDistillation()], "row", task="regression")
    predictions = of_predictions(np.zeros((1, 2, 1), "float32"))
    with pytest.raises(ValueError, match=r"one output. Received: several, 'click', 'rating'"):
        method.row_weights(predictions, predictions, Labels({"click": Y, "rating": Y}))


def test_teachers_talk_with_one_encoder_and_decoder_of_the_student():
    method = MultiTeacher([talking(), Sum([talking(2), LabelDistillation()]), talking(0)])
    distiller = learning_from(teachers(3), method)
    first, second, third = method.methods[0], method.methods[1].methods[0], method.methods[2]
    for other in (second, third):
        assert other.student_encoder is first.student_encoder
        assert other.student_decoder is first.student_decoder
        assert other.teacher_encoder is not first.teacher_encoder
        assert other.teacher_decoder is not first.teacher_decoder
    assert len(method.trainable_variables) == 2 * (2 + 3 * 2)  # a kernel and a bias each
    before = numbers(distiller.method)
    fit(distiller)
    assert all((a != b).any() for a, b in zip(before, numbers(distiller.method), strict=True))


def test_each_teacher_sees_its_own_inputs():
    x = {"student": X, "text": X[:, ::-1].copy(), "all": 2 * X}
    mine = split_model(
        small_model(5, 4, 0, "student"), "low", "high", input_map=lambda x: x["student"]
    )
    reading = split_model(small_model(7, 6, 3), "low", "high", input_map=lambda x: x["text"])
    rule = Predictor(lambda x: keras.ops.sum(x["all"], axis=-1, keepdims=True))
    method = MultiTeacher([talking(), LabelDistillation(3.0)], weights=(1, 1))
    distiller = learning_from([reading, rule], method, of=mine)
    found = terms_of(distiller, (x, Y))
    predicted = numpy_trace(student_of(distiller), X)[2]
    expected = 3 * ((predicted - 2 * X.sum(-1, keepdims=True)) ** 2).mean()
    assert found["teacher_2_label_loss"] == pytest.approx(expected, rel=1e-4)
    assert distiller.teacher.shapes.low == {"teacher_1": (None, 7)}
    (batch,) = distiller.with_teacher_targets((x, Y), batch_size=12).as_numpy_iterator()
    assert terms_of(distiller, batch) == pytest.approx(found, rel=1e-5)


def test_stored_targets_are_those_of_each(tmp_path):
    given = teachers()
    method = MultiTeacher([LabelDistillation(), talking()], "row")
    distiller = learning_from(given, method)
    expected = terms_of(distiller)
    kept = [{}, {"folder": tmp_path / "targets"}, {"stored": given}]
    for how in kept:
        data = distiller.with_teacher_targets((X, Y), batch_size=12, **how)
        (batch,) = data.as_numpy_iterator()
        # What a method does not read is not carried.
        names = {field: set(part) for field, part in batch[0].targets.items()}
        assert names["low"] == names["high"] == {"teacher_2"}
        assert names["prediction"] == {"teacher_1", "teacher_2"}
        assert terms_of(distiller, batch) == pytest.approx(expected, rel=1e-5)


def test_it_learns_from_tables_alone():
    given = teachers()
    distiller = learning_from(None, MultiTeacher([LabelDistillation(), LabelDistillation()]))
    data = distiller.with_teacher_targets((X, Y), batch_size=12, stored=given)
    alone = learning_from(given, MultiTeacher([LabelDistillation(), LabelDistillation()]))
    assert fit(distiller, data) == fit(alone)


def test_targets_of_one_teacher_are_refused():
    one = learning_from(teachers(1)[0], LabelDistillation())
    distiller = learning_from(teachers(), MultiTeacher([LabelDistillation(), talking()]))
    with pytest.raises(ValueError, match="Received: a prediction of one. Store it by this"):
        fit(distiller, one.with_teacher_targets((X, Y)))


def test_a_teacher_of_nan_is_named():
    given = teachers()
    given[1].model.get_layer("out").bias.assign([np.nan])
    distiller = learning_from(given, MultiTeacher([LabelDistillation(), LabelDistillation()]))
    with pytest.raises(ValueError, match="teacher's prediction/teacher_2 must be finite"):
        distiller.with_teacher_targets((X, Y))


def test_plans_act_on_the_terms_of_each():
    distiller = learning_from(teachers(), MultiTeacher([talking(), LabelDistillation(0.5)]))
    distiller.method.methods[1].weight = 2.0
    plans = [
        TermSchedule({"teacher_2_*": switch_off(0)}),
        BalanceTerms((X, Y), every=1),
        RampUp(1, 1),
    ]
    history = fit(distiller, epochs=3, callbacks=plans)
    alone, both = history["teacher_1_message_loss"][:2]
    assert alone == 0 and both > 0
    assert history["teacher_2_label_loss"] == [0, 0, 0]
    assert history["teacher_1_message_loss_weight"][-1] != 1


def test_methods_that_know_of_no_labels_are_taken():
    method = MultiTeacher([RoundedLabels(), talking()], "row", task="regression")
    assert np.isfinite(fit(learning_from(teachers(), method))["loss"]).all()


def test_the_terms_are_a_layer_too():
    given, mine = teachers(), student()
    method = MultiTeacher([talking(), talking()], "row", task="regression")
    layer = DistillationTerms(mine, given, method)
    distiller = learning_from(given, method, of=mine)
    found = {n: float(v) for n, v in layer(X, mine(X), labels=Y).items()}
    assert found == pytest.approx(terms_of(distiller), rel=1e-6)
    with pytest.raises(ValueError, match="2 methods, and a teacher that is no list"):
        DistillationTerms(mine, given[0], method)


def test_a_run_cut_in_two_is_one_run_with_teachers_from_their_files(tmp_path):
    given = teachers()
    files = [tmp_path / f"{split.model.name}.keras" for split in given]
    for split, file in zip(given, files, strict=True):
        split.model.save(file)

    def referring():
        keras.utils.set_random_seed(0)
        methods = [Sum([talking(dropout=0.2), LabelDistillation()]), talking(2)]
        distiller = Distiller(student(), given, MultiTeacher(methods, "row"), teacher_path=files)
        distiller.compile(keras.optimizers.Adam(0.01), loss="mse", run_eagerly=True)
        return distiller

    whole, first = referring(), referring()
    expected, found = fit(whole, epochs=4), fit(first, epochs=2)
    first.save(tmp_path / "first.keras")
    loaded = keras.saving.load_model(tmp_path / "first.keras")
    assert list(loaded.teacher.splits) == ["teacher_1", "teacher_2"]
    assert loaded.method.get_config() == first.method.get_config()
    rest = fit(loaded, epochs=4, initial_epoch=2)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name] + rest[name], values, err_msg=name)
    first.save(tmp_path / "first.keras")
    for file in files:
        file.unlink()
    waiting = keras.saving.load_model(tmp_path / "first.keras")
    assert waiting.teacher is None
    with pytest.raises(ValueError, match="saved with the teacher 'teacher_0'.* and the teacher"):
        fit(waiting)
    with pytest.raises(ValueError, match="goes on with the teacher that it had"):
        waiting.teacher = given[::-1]
    waiting.teacher = given
    assert terms_of(waiting) == terms_of(first)


@pytest.mark.parametrize(
    ("given", "method", "message"),
    [
        (2, LabelDistillation, "LabelDistillation learns from one teacher. Received: a list of 2"),
        (1, talking, "TalkingModels learns from one teacher. Received: a list of 1. Give each"),
        (3, lambda: MultiTeacher([talking(), talking()]), "2 methods, and a list of 3"),
        (0, lambda: MultiTeacher([LabelDistillation()]), "must have one at least"),
        (None, lambda: MultiTeacher([Scratch()]), "1 methods, and a teacher that is no list"),
        (
            2,
            lambda: MultiTeacher([MultiTeacher([talking()]), talking()]),
            "1 methods, and a teacher that is no list",
        ),
        (
            1,
            lambda: Sum([MultiTeacher([LabelDistillation()]), talking()]),
            "Sum learns from one teacher",
        ),
    ],
)
def test_a_method_and_its_teachers_that_do_not_fit_are_refused(given, method, message):
    splits = teachers(1)[0] if given is None else teachers(given)
    with pytest.raises(ValueError, match=message):
        Distiller(student(), splits, method())


def built():
    method = talking()
    learning_from(teachers(1)[0], method)
    return method


@pytest.mark.parametrize(
    ("methods", "arguments", "message"),
    [
        (2, {"weights": (1, -1)}, "finite number of at least 0 for each of the 2.*(1, -1)"),
        (2, {"weights": (1, float("nan"))}, "finite number"),
        (2, {"weights": (1, float("inf"))}, "finite number"),
        (2, {"weights": (0, 0)}, "one above 0 at least"),
        (2, {"weights": (1, 1, 1)}, "for each of the 2 teachers"),
        (2, {"weights": "rows"}, "or \"row\". Received: 'rows'"),
        (2, {"temperature": 0}, "`temperature` must be positive"),
        (2, {"task": "clicks"}, "`task` must be one of"),
        (0, {}, "a method for each teacher. Received: none"),
        (lambda: [talking(), talking(codec=None, linear=True)] * 2, {}, "one object for several"),
        (lambda: [talking(), built()], {}, "built by another distiller"),
        (
            lambda: [talking(), type(talking())(message_dim=8)],
            {},
            "messages of one width. Received: message_dim 6, 8",
        ),
    ],
)
def test_arguments_that_say_nothing_are_refused(methods, arguments, message):
    made = methods() if callable(methods) else [talking() for _ in range(methods)]
    with pytest.raises(ValueError, match=message):
        MultiTeacher(made, **arguments)


def test_weights_by_row_must_know_what_is_predicted():
    with pytest.raises(ValueError, match="must know what the outputs are"):
        learning_from(teachers(), MultiTeacher([talking(), talking()], "row"), loss=own_loss)


def own_loss(y, prediction):
    return keras.ops.mean(keras.ops.abs(y - prediction) ** 3, axis=-1)

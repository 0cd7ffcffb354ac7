import keras
import numpy as np
import pytest

from tdrec.diagnostics.embedding_ids import watched_ids
from tdrec.distill.model_split import ModelSplit


def ids(*values):
    return np.array(values, "int32")


def model_of_two_tables(nested=False):
    user, item = (keras.Input((), dtype="int32", name=name) for name in ("user", "item"))
    vectors = [
        keras.layers.Embedding(size, 2, name=f"{name}_table")(x)
        for x, name, size in ((user, "user", 5), (item, "item", 3))
    ]
    model = keras.Model({"user": user, "item": item}, keras.layers.Concatenate()(vectors))
    if not nested:
        return model
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    return keras.Model(inputs, model(inputs))


class SubclassedTables(keras.Model):
    """Tables in a list, the second one inside a layer of its own, run in a loop of Python."""

    def __init__(self):
        super().__init__()
        item = keras.Sequential([keras.layers.Embedding(3, 2, name="item_table")])
        self.tables = [keras.layers.Embedding(5, 2, name="user_table"), item]

    def call(self, x):
        found = [table(x[name]) for name, table in zip(("user", "item"), self.tables, strict=True)]
        return keras.ops.concatenate(found, axis=-1)


def as_rooms_of_functions():
    """The owner of a split's rooms, and the split, whose functions cannot be cloned."""
    model = SubclassedTables()
    return model, ModelSplit(lambda x: model(x), lambda low: low, lambda high: high, model=model)


@pytest.mark.parametrize("kind", ["functional", "nested", "subclassed", "functions"])
def test_the_ids_of_every_table_are_seen_out_of_range_too(kind):
    if kind == "functions":
        model, run = as_rooms_of_functions()
    else:
        model = run = (
            SubclassedTables() if kind == "subclassed" else model_of_two_tables(kind == "nested")
        )
    with watched_ids({"student": [model]}) as ranges:
        run({"user": ids(4, 0, 2), "item": ids(-1, 7, 1)})
        run({"user": ids(1), "item": ids(9)})
    found = {r.table: (r.owner, r.size, r.least, r.greatest, r.is_sound) for r in ranges}
    assert found == {
        "user_table": ("student", 5, 0, 4, True),
        "item_table": ("student", 3, -1, 9, False),
    }


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_a_sequential_model_whatever_the_type_of_its_ids(dtype):
    model = keras.Sequential([keras.layers.Embedding(4, 2), keras.layers.Dense(1)])
    with watched_ids({"student": [model]}) as (seen,):
        model(np.array([[3, 5]], dtype))
    assert (seen.least, seen.greatest, seen.was_asked, seen.is_sound) == (3, 5, True, False)


def test_ids_in_range_give_what_they_gave_and_the_model_is_left_alone():
    model = model_of_two_tables()
    x = {"user": ids(4, 0), "item": ids(2, 1)}
    before = np.array(model(x))
    with watched_ids({"student": [model], "teacher": [model]}) as ranges:
        np.testing.assert_array_equal(model(x), before)
    assert [r.owner for r in ranges] == ["student", "student"]
    for layer in model.layers:
        assert "call" not in vars(layer)
    model({"user": ids(1), "item": ids(0)})
    assert [r.greatest for r in ranges] == [4, 2]


def test_a_watch_within_a_watch_and_one_that_an_error_ends():
    table = keras.layers.Embedding(4, 2)
    with watched_ids({"outer": [table]}) as (outer,):
        with pytest.raises(RuntimeError, match="stop"), watched_ids({"inner": [table]}) as (inner,):
            table(ids(1))
            raise RuntimeError("stop")
        table(ids(2))
    assert (inner.least, inner.greatest) == (1, 1)
    assert (outer.least, outer.greatest) == (1, 2)
    assert "call" not in vars(table)


def test_a_quantized_table():
    table = keras.layers.Embedding(4, 2)
    table.build()
    table.quantize("int8")
    with watched_ids({"teacher": [table]}) as (seen,):
        table(ids(-1, 3))
    assert (seen.least, seen.greatest) == (-1, 3)
    assert "quantized_call" not in vars(table)


def test_a_table_in_a_compiled_function_runs_as_always_and_was_not_asked():
    table = keras.layers.Embedding(4, 2)
    run = compiled(table)
    with watched_ids({"student": [table]}) as (seen,):
        found = np.array(run(ids(-1, 2)))  # is traced here
    assert not seen.was_asked
    np.testing.assert_array_equal(found, np.array(run(ids(3, 2))))


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function)

import keras
import numpy as np

from tdrec.diagnostics.embedding_ids import watched_ids


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


def test_the_ids_of_every_table_are_seen_out_of_range_too():
    for nested in (False, True):
        model = model_of_two_tables(nested)
        x = {"user": np.array([4, 0, 2], "int32"), "item": np.array([-1, 7, 1], "int32")}
        with watched_ids({"student": [model]}) as ranges:
            model(x)
            model({"user": np.array([1], "int32"), "item": np.array([9], "int32")})
        found = {r.table: (r.owner, r.size, r.least, r.greatest, r.is_sound) for r in ranges}
        assert found == {
            "user_table": ("student", 5, 0, 4, True),
            "item_table": ("student", 3, -1, 9, False),
        }


def test_ids_in_range_give_what_they_gave_and_the_model_is_left_alone():
    model = model_of_two_tables()
    x = {"user": np.array([4, 0], "int32"), "item": np.array([2, 1], "int32")}
    before = np.array(model(x))
    with watched_ids({"student": [model], "teacher": [model]}) as ranges:
        np.testing.assert_array_equal(model(x), before)
    assert [r.owner for r in ranges] == ["student", "student"]
    for layer in model.layers:
        assert "call" not in vars(layer)
    model({"user": np.array([1], "int32"), "item": np.array([0], "int32")})
    assert [r.greatest for r in ranges] == [4, 2]

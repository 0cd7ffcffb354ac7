"""Teachers that are no Keras model: a SavedModel, a function that predicts, a table of outputs."""

"""Kinds of tasks that studies are of: genres of MovieLens, and image classification."""

"""Rows of one segment: the teacher of all of them, its students, and how good they are."""

"""Ratings of one genre: the all-genre teacher, its students, and how good they are."""

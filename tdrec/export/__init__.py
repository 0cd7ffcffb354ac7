"""The student in the formats that serve it, and what a model costs."""

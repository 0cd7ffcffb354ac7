"""Whether distilling can help, what is unsound, and how alike two models' states are."""

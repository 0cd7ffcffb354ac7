"""Studies: from a plan (arms x tasks x presets x seeds) to rows, and from rows to comparisons."""

"""Labels of image sets: a ViT teacher, and students of its first blocks."""

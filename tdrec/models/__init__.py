"""Models to teach and to be taught."""

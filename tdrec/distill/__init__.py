"""The core: what a split, a message, a round, a method and a distiller are. It knows no data."""

"""What a distiller does differently on each of Keras's backends: one file a backend."""

"""Bridges to other libraries, one a module; each is imported by its own name, where it is used."""

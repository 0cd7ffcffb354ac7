"""The process: what it prints, what it compiles, and files that are replaced in one step."""

"""One experiment: its settings and how it is run."""

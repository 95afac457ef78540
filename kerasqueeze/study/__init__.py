"""Many experiments: which there are, what their results say."""

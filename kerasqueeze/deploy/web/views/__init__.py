"""What answers a request: one file for each group of pages."""

"""One file or folder a data set; `kerasqueeze.data.datasets` is their registry."""

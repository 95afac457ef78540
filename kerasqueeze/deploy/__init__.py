"""What a trained network is used for: classify photos, explain, export, serve."""

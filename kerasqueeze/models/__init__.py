"""The networks: SqueezeNet, its weights, its peers."""

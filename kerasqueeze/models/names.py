"""The networks by name and what builds each; standard library only, so that naming them loads no Keras."""

SQUEEZENETS = {"squeezenet1_0": "SqueezeNet1_0", "squeezenet1_1": "SqueezeNet1_1"}
"""Functions of `kerasqueeze.models.squeezenet`."""
PEERS = {"mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50", "efficientnetb0": "EfficientNetB0"}
"""Functions of `keras.applications`."""
NAMES = (*SQUEEZENETS, *PEERS)

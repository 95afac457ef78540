"""The networks by name and what builds each; standard library only, so that naming them loads no Keras."""

from typing import NamedTuple


class Peer(NamedTuple):
    """A network of `keras.applications`.

    Attributes:
        builder: Its function there.
        pixels: How its weights want pixels: "tf" from -1 to 1, "caffe" as BGR less the mean, "own" as they are.
        has_width: Whether it has a width multiplier, `alpha`.
        hidden: Units of the fully connected layers between its features, flattened, and the last layer; without any,
            the features are averaged over all places.
    """

    builder: str
    pixels: str
    has_width: bool = False
    hidden: tuple[int, ...] = ()


SQUEEZENETS = {
    "squeezenet1_0": ("SqueezeNet1_0", "none"),
    "squeezenet1_1": ("SqueezeNet1_1", "none"),
    "squeezenet1_0_simple_bypass": ("SqueezeNet1_0", "simple"),
    "squeezenet1_0_complex_bypass": ("SqueezeNet1_0", "complex"),
    "squeezenet1_1_simple_bypass": ("SqueezeNet1_1", "simple"),
    "squeezenet1_1_complex_bypass": ("SqueezeNet1_1", "complex"),
}
"""Functions of `kerasqueeze.models.squeezenet`, and their bypass."""
PEERS = {
    "mobilenet": Peer("MobileNet", "tf", has_width=True),
    "mobilenet_v2": Peer("MobileNetV2", "tf", has_width=True),
    "resnet50": Peer("ResNet50", "caffe"),
    "vgg16": Peer("VGG16", "caffe"),
    "vgg16_4096": Peer("VGG16", "caffe", hidden=(4096, 4096)),
    "efficientnetb0": Peer("EfficientNetB0", "own"),
}
NAMES = (*SQUEEZENETS, *PEERS)

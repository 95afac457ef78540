"""torchvision's side of the port's proof. Needs torch and torchvision, which nothing else here does.

Source: torchvision/models/squeezenet.py, `SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms`.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image


def logits(version: str, state_dict: Mapping[str, np.ndarray] | Path, images: Mapping[str, np.ndarray]):
    """Return torchvision's logits, each (1000,), for images of uint8 (height, width, 3), by the images' names.

    Args:
        version: "1.0" or "1.1".
        state_dict: Weights, or the `.pth` file that torch shall load.
        images: The images.
    """
    torch, models = import_module("torch"), import_module("torchvision.models")
    functional = import_module("torchvision.transforms.functional")
    builder = {"1.0": models.squeezenet1_0, "1.1": models.squeezenet1_1}[version]
    transform = _transform(models)
    model = builder(weights=None).eval()
    if isinstance(state_dict, Path):
        model.load_state_dict(torch.load(state_dict, weights_only=True))
    else:
        model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in state_dict.items()})
    with torch.inference_mode():
        return {
            name: model(functional.normalize(functional.to_tensor(pixels), transform.mean, transform.std)[None])[
                0
            ].numpy()
            for name, pixels in images.items()
        }


def pixels(photo: Path) -> np.ndarray:
    """Return a photo as torchvision's transform for SqueezeNet has it before it normalises: uint8 (224, 224, 3)."""
    functional = import_module("torchvision.transforms.functional")
    transform = _transform(import_module("torchvision.models"))
    with Image.open(photo) as file:
        image = file.convert("RGB")
    resized = functional.resize(image, transform.resize_size, transform.interpolation, antialias=transform.antialias)
    return np.array(functional.center_crop(resized, transform.crop_size))


def _transform(models):
    return models.SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()

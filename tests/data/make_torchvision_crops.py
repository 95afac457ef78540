"""Write torchvision_crops.npz: what torchvision makes of a few seeded images, for test_decode.py.

    python tests/data/make_torchvision_crops.py

Needs torchvision and Pillow, nothing of ours.
"""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision import datasets, transforms

CASES = [  # mode, width, height, resize, size
    ("RGB", 50, 37, 16, 16),
    ("RGB", 37, 50, 16, 13),
    ("RGB", 41, 41, 24, 17),
    ("RGB", 16, 16, 16, 16),
    ("RGB", 9, 23, 20, 20),
    ("RGB", 120, 31, 18, 17),
    ("RGB", 101, 150, 40, 35),
    ("L", 30, 21, 12, 12),
    ("RGBA", 21, 30, 12, 11),
    ("P", 33, 20, 15, 14),
    ("LA", 25, 24, 10, 10),
    ("1", 40, 30, 11, 11),
]


def png(mode: str, width: int, height: int) -> bytes:
    """Return a PNG of smooth noise drawn from a seed that is its size."""
    coarse = np.random.default_rng([width, height]).integers(0, 256, (height // 4 + 2, width // 4 + 2, 4), np.uint8)
    image = Image.fromarray(coarse, "RGBA").resize((width, height), Image.Resampling.BICUBIC)
    image = image if mode == "RGBA" else image.convert("LA") if mode == "LA" else image.convert("RGB").convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def torchvision_crop(photo: bytes, resize: int, size: int) -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(photo)
        file.flush()
        image = datasets.folder.pil_loader(file.name)
    return np.asarray(transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(size)])(image))


if __name__ == "__main__":
    results = {}
    for mode, width, height, resize, size in CASES:
        photo = png(mode, width, height)
        name = f"{mode} {width} {height} {resize} {size}"
        results[f"photo {name}"] = np.frombuffer(photo, np.uint8)
        results[f"crop {name}"] = torchvision_crop(photo, resize, size)
    np.savez_compressed(Path(__file__).parent / "torchvision_crops.npz", **results)

"""Write what torch and torchvision give, which the tests and scripts/check_port.py compare with.

    python tests/references/make_references.py WEIGHTS.pth …

Needs torch and torchvision beside kerasqueeze. The arguments are real weights, `squeezenet1_0-*.pth` or
`squeezenet1_1-*.pth`; the weights drawn from a seed come in addition. Of the networks only outputs are written: logits
and a sample of two photos' pixels. Two tiny state dicts show torch's file formats.
"""

import argparse
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

import kerasqueeze
from kerasqueeze.files import whole_file
from kerasqueeze.models.weights import port_check, port_torchvision, read_weights

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path)
    with whole_file(Path(kerasqueeze.__file__).parent / "models" / "port_references.npz") as part:
        np.savez_compressed(part, **torchvision_results(parser.parse_args().weights))
    for name, zipped in (("tiny_zip.pth", True), ("tiny_legacy.pth", False)):
        with whole_file(HERE / name) as part:
            torch.save(tiny_state_dict(), part, _use_new_zipfile_serialization=zipped)


def torchvision_results(files: list[Path]) -> dict[str, np.ndarray]:
    photos = {photo: port_torchvision.pixels(port_check.photo_path(photo)) for photo in port_check.PHOTOS}
    images = {str(size): port_check.seeded_pixels(size) for size in port_check.SIZES} | photos
    results = {f"pixels/{photo}": pixels[port_check.SAMPLE] for photo, pixels in photos.items()}
    sources = [
        (version, port_check.seeded_weights(version), port_check.seeded_state_dict(version))
        for version in port_check.BUILDERS
    ]
    for path in files:
        version = "1.0" if path.name.startswith("squeezenet1_0") else "1.1"
        sources.append((version, read_weights(path, version), path))
    for version, weights, state_dict in sources:
        name = port_check.fingerprint(weights)
        for image, logits in port_torchvision.logits(version, state_dict, images).items():
            results[f"{name}/{image}"] = logits
    return results


def tiny_state_dict() -> OrderedDict:
    """0, 1, 2, … in several types and layouts."""
    numbers = torch.arange(6, dtype=torch.float32)
    tensors = OrderedDict(
        float32=numbers.reshape(2, 3),
        transposed=numbers.reshape(3, 2).T,
        part=numbers[2:5],
        scalar=torch.tensor(7.0),
        parameter=torch.nn.Parameter(numbers.clone()),
    )
    for kind in ("float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"):
        tensors[kind] = numbers.to(getattr(torch, kind))
    tensors._metadata = OrderedDict({"": {"version": 1}})
    return tensors


if __name__ == "__main__":
    main()

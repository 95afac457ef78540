"""The benchmark's contestants in PyTorch, in a process that has neither Keras nor JAX.

    python -P kerasqueeze/bench/accelerator_torch.py PHOTOS float32|bfloat16 torch|torch-compile|torch-compile-graphs

Channels last, TF32, cuDNN picks its fastest algorithms, Adam in one fused kernel; nothing waits for the device within
a burst. See `accelerator`.
"""

# pyright: reportMissingImports=false
import json
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODES = {"torch-compile": "default", "torch-compile-graphs": "reduce-overhead"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def stepper(photos: Any, precision: str, contestant: str) -> Callable[[Any], Any]:
    """Return a step that trains on rows of the photos and returns its loss."""
    import torch

    torch.manual_seed(0)
    device = photos.device
    network, _ = runpy.run_path(str(Path(__file__).with_name("peers.py")))["_torch_network"]()
    network = network.to(device, memory_format=torch.channels_last).train()
    labels = torch.arange(len(photos), device=device) % 120
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=device.type == "cuda")
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))

    def forward(rows: Any) -> Any:
        pixels = photos[rows].permute(0, 3, 1, 2)  # channels last in memory already
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            scores = network((pixels.float() / 255 - mean) / std)
        return torch.nn.functional.cross_entropy(scores.float(), labels[rows])

    if contestant in MODES:
        forward = torch.compile(forward, mode=MODES[contestant], dynamic=False)

    def step(rows: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=True)
        loss = forward(rows)
        loss.backward()
        optimizer.step()
        return loss

    return step


def epochs(step: Callable[[Any], Any], count: int, batch: int, seconds: float, device: Any) -> float:
    """Take steps over the photos in random order for about so many seconds; return images a second."""
    import torch

    began, images, loss = time.perf_counter(), 0, torch.zeros(())
    while not images or time.perf_counter() - began < seconds:
        order = torch.randperm(count, device=device)
        for first in range(0, count - batch + 1, batch):
            loss = step(order[first : first + batch])
            images += batch
        loss.item()  # waits, at each epoch's end, as `fit` does
    return images / (time.perf_counter() - began)


def main(path: str, precision: str, contestant: str) -> None:
    """Answer commands until the input ends."""
    shared = runpy.run_path(str(Path(__file__).with_name("protocol.py")))
    say = shared["channel"]()
    try:
        import numpy as np
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        photos = torch.from_numpy(np.load(path)).to(device)
        name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
        say({"device": name, "torch": torch.__version__})
        steps: dict[int, Any] = {}
        for line in sys.stdin:
            command = json.loads(line)
            batch = command["batch"]
            try:
                if command["task"] == "open":
                    steps[batch] = stepper(photos, precision, contestant)
                    for first in range(3):
                        steps[batch](torch.arange(first, first + batch, device=device)).item()
                    say({"open": True})
                else:
                    epochs(steps[batch], batch, batch, 0, device)
                    rate = epochs(steps[batch], len(photos), batch, command["seconds"], device)
                    say({"images_per_second": rate})
            except Exception as error:  # this batch size is left out; the others go on
                say({"failed": shared["one_line"](error)})
            if device.type == "cuda":
                torch.cuda.empty_cache()  # the other processes need memory as well
    except ModuleNotFoundError as error:
        say({"missing": error.name})
    except Exception as error:
        say({"error": shared["one_line"](error)})


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`kerasqueeze NAME …`: each command is a module with a `parser` and a `main`, imported when it is used."""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import kerasqueeze
from kerasqueeze.commands import exits
from kerasqueeze.commands.options import Parser
from kerasqueeze.errors import unknown

COMMANDS = {
    "run": "train named experiments; write their CSV, JSON and PNG files and the results table",
    "study": "run experiments times seeds as far as they are not finished",
    "compare": "draw two experiments side by side and say what their results tell",
    "report": "write REPORT.md and REPORT.html from what the experiments left behind",
    "sweep": "train over a grid of learning rates, by validation alone",
    "lr-find": "find a learning rate by a short training along a rising one",
    "inspect": "say what of a network learns, and what the optimizer does to every layer",
    "predict": "classify photos with a trained network",
    "evaluate": "score a trained network on photos of one's own, a folder a class",
    "explain": "show where in a photo a trained network sees its classes",
    "worst": "draw the photos that a trained network is most wrong about",
    "export": "write a trained network for ONNX Runtime, LiteRT and others, checked against Keras",
    "serve": "serve a trained network as a web site with an API",
    "bench": "measure speed against stock Keras, PyTorch and ONNX Runtime",
    "check-port": "prove that ported weights predict what torchvision predicts",
}
"""What each does, in a line."""


def main() -> NoReturn:
    """Run the command that the arguments name."""
    exits.leave(lambda: _chosen(sys.argv[1:]))


def script(name: str) -> NoReturn:
    """Run one command, as its script does, with all arguments."""
    exits.leave(lambda: _run(name, sys.argv[1:], f"python scripts/{name.replace('-', '_')}.py"))


def _chosen(arguments: Sequence[str]) -> None:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {line}" for name, line in COMMANDS.items())
    parser = Parser(
        prog="kerasqueeze",
        usage="kerasqueeze COMMAND [OPTIONS]",
        description=kerasqueeze.__doc__,
        epilog=f"commands:\n{listed}\n\nkerasqueeze COMMAND --help lists a command's options.",
    )
    parser.add_argument("--version", action="version", version=f"kerasqueeze {kerasqueeze.__version__}")
    parser.add_argument("command", metavar="COMMAND", help="what to do; see below")
    name = parser.parse_args(arguments[:1]).command  # the rest is the command's
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    _run(name, arguments[1:], f"kerasqueeze {name}")


def _run(name: str, arguments: Sequence[str], prog: str) -> None:
    module = importlib.import_module(f"kerasqueeze.commands.{name.replace('-', '_')}")
    parser = module.parser()
    parser.description = parser.description.replace(f"kerasqueeze {name}", prog)
    parser.prog = prog
    module.main(parser.parse_args(arguments))

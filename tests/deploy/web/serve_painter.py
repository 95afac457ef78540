"""The site on a port of its own with the network of NumPy: what `kerasqueeze serve` does once the network is loaded."""

__command__ = True  # as the command: without Keras, which this network does not need

import os
import sys
from pathlib import Path

from site_for_tests import Painter

from kerasqueeze.deploy.web import serving


def main(data: Path, proxy: str = "") -> None:
    options = serving.Options(
        host="127.0.0.1",
        port=0,
        data=data,
        hosts=(),
        proxy=proxy,
        keep_days=1,
        threshold=0.5,
        rate=int(os.environ.get("KERASQUEEZE_TEST_RATE", "0")),
        queue=4,
        workers=2,
        results=data,
    )
    serving.keep_within(options)
    opened = serving.listen(options)
    serving.configure(options)
    serving.serve(options, Painter(), "painter", opened)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

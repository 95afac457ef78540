import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kerasqueeze.deploy.batching import Batcher, Busy
from kerasqueeze.deploy.classifier import Classifier
from kerasqueeze.models.card import Card

SIDE = 8
CARD = Card(("red", "green", "blue"), SIDE, temperature=20.0)


class Channels(Classifier):
    """Says which colour an image has most of; counts the calls, and can be held up."""

    runtime = "numpy"

    def __init__(self, maps: bool = False):
        super().__init__(CARD)
        self.has_maps = maps
        self.sizes: list[int] = []
        self.mapped: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.began = threading.Event()

    def maps(self, images):
        self.mapped.append(len(images))
        found = images.astype(np.float32)
        return self.logits(images), found

    def logits(self, images):
        self.sizes.append(len(images))
        self.began.set()
        assert self.may_go.wait(10)
        if (images == 13).all(axis=(1, 2, 3)).any():
            raise ArithmeticError("thirteen")
        return images.astype(np.float32).mean(axis=(1, 2))


def image(red=0, green=0, blue=0):
    return np.full((SIDE, SIDE, 3), (red, green, blue), np.uint8)


def expected(colour):
    powers = np.exp(np.array(colour) / 20)
    return powers / powers.sum()


@pytest.fixture
def started():
    made = []

    def start(classifier, **options):
        made.append((classifier, Batcher(classifier, **options)))
        return made[-1][1]

    yield start
    for classifier, batcher in made:
        classifier.may_go.set()
        batcher.close()


def test_each_request_gets_its_own_answer_and_many_share_a_computation(started):
    network = Channels()
    batcher = started(network, gather=0.05)
    colours = [(number, 255 - number, 7) for number in range(40)]
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda colour: batcher.compute([image(*colour)])[0], colours))
    for one, colour in zip(found, colours, strict=True):
        np.testing.assert_allclose(one.probabilities, expected(colour), rtol=1e-9)
        assert one.maps is None
    assert sum(network.sizes) == 40 and len(network.sizes) < 20 and max(network.sizes) <= 4


def test_maps_come_with_their_image(started):
    batcher = started(Channels(maps=True))
    found = batcher.compute([image(red=9), image(blue=200)])
    assert found[0].maps is not None and found[1].maps is not None
    np.testing.assert_array_equal(found[0].maps, image(red=9))
    np.testing.assert_array_equal(found[1].maps, image(blue=200))


def test_maps_are_computed_only_where_somebody_asks_for_them(started):
    network = Channels(maps=True)
    batcher = started(network)
    assert batcher.compute([image(red=9)], maps=False)[0].maps is None
    assert network.mapped == []
    batcher = started(network, gather=60, batch=2)
    futures = [batcher.submit(image(red=9), maps=False), batcher.submit(image(red=8), maps=True)]
    np.testing.assert_array_equal(futures[1].result(5).maps, image(red=8))
    assert network.mapped == [2]


def test_a_batch_waits_for_images_that_are_known_to_come(started):
    network = Channels()
    batcher = started(network, gather=0, hold=60)

    def slowly():
        for _ in range(3):
            time.sleep(0.05)
            yield image()

    batcher.compute(slowly(), coming=3)
    assert network.sizes == [3]
    began = time.monotonic()
    batcher.compute([image()])  # nobody else comes
    assert time.monotonic() - began < 5


def test_of_images_that_cannot_be_made_none_are_waited_for(started):
    batcher = started(Channels(), gather=0, hold=60)

    def broken():
        yield image()
        raise ArithmeticError("no photo")

    with pytest.raises(ArithmeticError, match="no photo"):
        batcher.compute(broken(), coming=5)
    began = time.monotonic()
    batcher.compute([image()])
    assert time.monotonic() - began < 5


def test_a_request_waits_a_moment_for_others(started):
    network = Channels()
    batcher = started(network, gather=1.0)
    first = batcher.submit(image())
    time.sleep(0.05)
    second = batcher.submit(image())
    first.result(5), second.result(5)
    assert network.sizes == [2]


def test_a_full_batch_waits_no_longer(started):
    network = Channels()
    batcher = started(network, gather=60, batch=4)
    batcher.compute([image()] * 4)
    assert network.sizes == [4]


def test_a_lone_request_does_not_wait_for_others(started):
    batcher = started(Channels(), gather=0.2)
    start = time.monotonic()
    batcher.compute([image()])
    assert time.monotonic() - start < 2


def test_one_image_too_many_is_refused_at_once(started):
    network = Channels()
    batcher = started(network, waiting=2, gather=0)
    network.may_go.clear()
    first = batcher.submit(image())
    assert network.began.wait(5)
    waiting = [batcher.submit(image()), batcher.submit(image())]
    with pytest.raises(Busy, match="2 photos are waiting"):
        batcher.submit(image())
    network.may_go.set()
    for future in (first, *waiting):
        assert future.result(5).probabilities.shape == (3,)


def test_of_a_request_that_does_not_fit_nothing_is_computed(started):
    network = Channels()
    batcher = started(network, waiting=2, gather=0)
    network.may_go.clear()
    first = batcher.submit(image())
    assert network.began.wait(5)
    with pytest.raises(Busy):
        batcher.compute([image()] * 3)
    network.may_go.set()
    first.result(5)
    batcher.compute([image()])
    assert network.sizes == [1, 1]


def test_a_request_gives_up_when_the_network_takes_too_long(started):
    network = Channels()
    batcher = started(network, patience=0.1, gather=0)
    network.may_go.clear()
    with pytest.raises(Busy, match=r"0\.1 seconds"):
        batcher.compute([image()])
    with pytest.raises(Busy):
        batcher.compute([image()])  # waits behind the first
    network.may_go.set()
    batcher.compute([image()])
    assert network.sizes == [1, 1]  # nobody waited for the second any more


def test_an_error_reaches_the_request_and_the_next_is_computed(started):
    batcher = started(Channels())
    with pytest.raises(ArithmeticError, match="thirteen"):
        batcher.compute([image(13, 13, 13)])
    np.testing.assert_allclose(batcher.compute([image(red=50)])[0].probabilities, expected((50, 0, 0)))


def test_images_of_other_shapes_reach_the_request_as_an_error(started):
    batcher = started(Channels())
    with pytest.raises(ValueError, match="shape"):
        batcher.compute([image(), np.zeros((3, 3, 3), np.uint8)])


def test_whoever_waits_when_it_stops_is_refused():
    network = Channels()
    batcher = Batcher(network, gather=0, patience=5)
    network.may_go.clear()
    first = batcher.submit(image())
    assert network.began.wait(5)
    second = batcher.submit(image())
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while not batcher._closed.is_set():
        time.sleep(0.001)
    network.may_go.set()
    closing.join(5)
    assert first.result(0) is not None
    with pytest.raises(Busy, match="stopping"):
        second.result(0)
    with pytest.raises(Busy, match="stopping"):
        batcher.submit(image())


def test_warming_computes_the_sizes_that_are_compiled(started):
    network = Channels(maps=True)
    started(network).warm()
    assert network.sizes == [1, 1, 4, 4]
    assert network.mapped == [1, 4]

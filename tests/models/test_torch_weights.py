import functools
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch_files as write

from kerasqueeze import SqueezeNet1_0, SqueezeNet1_1
from kerasqueeze.errors import UserError
from kerasqueeze.models.weights import assign, port_check, read_weights, torch_weights


@functools.cache
def state_dict():
    return port_check.seeded_state_dict("1.1")


@pytest.fixture(scope="module")
def model():
    """A SqueezeNet 1.1 that no test may change."""
    return SqueezeNet1_1(weights=None, input_shape=(32, 32, 3))


def saved(folder, tensors, name="weights.pth", layout=write.zipped):
    path = folder / name
    path.write_bytes(write.network(tensors, layout))
    return path


def hashed(folder, data, hexdigits=None):
    """Write `data` under a name with the start of its hash, as torchvision's files have."""
    path = folder / f"squeezenet1_1-{hexdigits or hashlib.sha256(data).hexdigest()[:8]}.pth"
    path.write_bytes(data)
    return path


def refusal(model, path) -> str:
    """The error that loading gives; the model has to be as it was."""
    before = model.get_weights()
    with pytest.raises(UserError) as error:
        assign(model, read_weights(path, "1.1"), head=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("layout", [write.zipped, write.legacy])
def test_both_layouts_load_every_tensor(tmp_path, layout):
    model = SqueezeNet1_1(weights=saved(tmp_path, state_dict(), layout=layout), input_shape=(32, 32, 3))
    for layer, torch_name in (
        ("conv1", "features.0"),
        ("fire5_expand3x3", "features.7.expand3x3"),
        ("conv10", "classifier.1"),
    ):
        kernel, bias = model.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, state_dict()[f"{torch_name}.weight"].transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(bias, state_dict()[f"{torch_name}.bias"])
    assert sum(tensor.size for tensor in state_dict().values()) == model.count_params()


def test_another_number_of_classes_leaves_the_head_new(tmp_path):
    path = saved(tmp_path, state_dict())
    model = SqueezeNet1_1(weights=path, classes=5, input_shape=(32, 32, 3))
    assert model.get_layer("conv10").kernel.shape == (1, 1, 512, 5)
    assert not any(layer.name == "relu10" for layer in model.layers)
    np.testing.assert_array_equal(model.get_layer("conv1").bias, state_dict()["features.0.bias"])


def test_a_torch_head_of_as_many_classes_is_loaded_with_its_relu(tmp_path):
    head = {name: tensor[:5] for name, tensor in state_dict().items() if name.startswith("classifier")}
    model = SqueezeNet1_1(weights=saved(tmp_path, state_dict() | head), classes=5, input_shape=(32, 32, 3))
    np.testing.assert_array_equal(model.get_layer("conv10").bias, head["classifier.1.bias"])
    assert any(layer.name == "relu10" for layer in model.layers)


def test_without_top_the_head_is_not_needed_but_checked(tmp_path):
    path = saved(tmp_path, state_dict())
    model = SqueezeNet1_1(weights=path, include_top=False)
    np.testing.assert_array_equal(model.get_layer("conv1").bias, state_dict()["features.0.bias"])
    broken = saved(tmp_path, state_dict() | {"classifier.1.weight": np.zeros((1000, 7, 1, 1), "f4")})
    with pytest.raises(UserError, match=r"'classifier\.1\.weight'"):
        SqueezeNet1_1(weights=broken, include_top=False)


def test_a_missing_tensor_is_named(tmp_path, model):
    tensors = {name: tensor for name, tensor in state_dict().items() if name != "features.9.squeeze.bias"}
    assert "no tensor 'features.9.squeeze.bias'" in refusal(model, saved(tmp_path, tensors))


def test_an_extra_tensor_is_named(tmp_path, model):
    path = saved(tmp_path, state_dict() | {"features.99.weight": np.zeros(3)})
    assert "tensor 'features.99.weight'" in refusal(model, path)


def test_a_misshapen_tensor_is_named(tmp_path, model):
    path = saved(tmp_path, state_dict() | {"features.12.expand3x3.weight": np.zeros((256, 64, 1, 1))})
    message = refusal(model, path)
    assert "'features.12.expand3x3.weight' is (1, 1, 64, 256) in Keras' layout, expected (3, 3, 64, 256)" in message


def test_a_tensor_that_is_not_finite_is_named(tmp_path, model):
    bias = np.full(64, np.nan)
    assert "'features.0.bias'" in refusal(model, saved(tmp_path, state_dict() | {"features.0.bias": bias}))


def test_integers_are_no_weights(tmp_path, model):
    pickle = write.state_dict(
        {name: write.tensor(name, array.shape, kind="torch.CharStorage") for name, array in state_dict().items()}
    )
    path = tmp_path / "quantised.pth"
    path.write_bytes(write.zipped(pickle, {name: bytes(array.size) for name, array in state_dict().items()}))
    assert "'features.0.weight' is int8" in refusal(model, path)


def test_the_other_variants_weights_are_refused(tmp_path, model):
    assert "features.6.squeeze.weight" in refusal(model, saved(tmp_path, port_check.seeded_state_dict("1.0")))


def test_a_cut_file_names_the_tensor(tmp_path, model):
    data = write.network(state_dict(), write.legacy)
    path = tmp_path / "cut.pth"
    path.write_bytes(data[: len(data) // 3])
    assert "ends within the tensor 'features." in refusal(model, path)


def test_the_hash_in_a_name_has_to_be_the_files(tmp_path, model):
    data = write.network(state_dict())
    assert read_weights(hashed(tmp_path, data), "1.1").classes == 1000
    message = refusal(model, hashed(tmp_path, data, "01234567"))
    assert f"its SHA-256 starts with {hashlib.sha256(data).hexdigest()[:8]}, its name says 01234567" in message


def test_a_file_that_is_too_large_is_not_read(tmp_path, model):
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    assert "more than 64 MB" in refusal(model, path)


@pytest.mark.parametrize("name", ["absent.pth", "folder.pth", "weights.bin"])
def test_what_is_no_weights_file_is_refused(tmp_path, model, name):
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "weights.bin").touch()
    assert name in refusal(model, tmp_path / name)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that gives out `server.data` and keeps what it was asked for; the cache is in tmp_path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(self.server.data)))
            self.end_headers()
            self.wfile.write(self.server.data[: self.server.sent])

        def log_message(self, *args):
            pass

    monkeypatch.setenv("KERASQUEEZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.status, server.sent = [], 200, None
        server.data = write.network(state_dict())
        server.name = f"squeezenet1_1-{hashlib.sha256(server.data).hexdigest()[:8]}.pth"
        url = f"http://127.0.0.1:{server.server_port}/models/{server.name}"
        monkeypatch.setitem(torch_weights.URLS, "1.1", url)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_imagenet_weights_are_fetched_once(tmp_path, server):
    for _ in range(2):
        model = SqueezeNet1_1(input_shape=(32, 32, 3))
        np.testing.assert_array_equal(model.get_layer("conv10").bias, state_dict()["classifier.1.bias"])
    assert server.asked == [f"/models/{server.name}"]
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [server.name]


def fetch_refusal(tmp_path) -> str:
    with pytest.raises(UserError) as error:
        SqueezeNet1_1()
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*")), "nothing half-fetched may stay"
    return str(error.value)


def test_a_damaged_download_is_not_kept(tmp_path, server):
    server.data = b"<html>captive portal</html>"
    assert "SHA-256" in fetch_refusal(tmp_path)


def test_a_download_that_breaks_off_is_not_kept(tmp_path, server):
    server.sent = 1000
    fetch_refusal(tmp_path)


def test_a_missing_file_says_how_to_get_it_by_hand(tmp_path, server):
    server.status = 404
    message = fetch_refusal(tmp_path)
    assert f"download it by hand to {tmp_path / 'cache' / 'weights' / server.name}" in message


def test_no_network_says_how_to_get_the_file_by_hand(tmp_path, server):
    server.shutdown()
    server.server_close()
    message = fetch_refusal(tmp_path)
    assert "cannot fetch http://127.0.0.1" in message
    assert "weights=" in message


def test_torchvisions_addresses():
    """The files that torchvision/models/squeezenet.py names."""
    assert torch_weights.URLS == {
        "1.0": "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth",
        "1.1": "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    }


@pytest.mark.real_data
def test_both_serialisations_of_the_real_weights_are_equal(real_weights):
    (new,), (old,) = real_weights.glob("squeezenet1_1-*.pth"), real_weights.glob("*legacyformat*.pth")
    new, old = read_weights(new, "1.1"), read_weights(old, "1.1")
    for name in new.names:
        np.testing.assert_array_equal(new.tensors[name], old.tensors[name])


@pytest.mark.real_data
def test_real_weights_are_checked_against_the_hash_in_their_name(real_weights, tmp_path):
    (path,) = real_weights.glob("squeezenet1_0-*.pth")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / path.name).write_bytes(data)
    with pytest.raises(UserError, match="SHA-256"):
        SqueezeNet1_0(weights=tmp_path / path.name)

import pytest

from kerasqueeze.models.weights import assign, port_check


@pytest.fixture(scope="session", params=sorted(port_check.BUILDERS))
def version(request) -> str:
    """Either variant, "1.0" and "1.1"."""
    return request.param


@pytest.fixture(scope="session")
def seeded(version):
    """SqueezeNet for images of any size, with logits and the weights drawn from a seed. Not to be changed."""
    model = port_check.BUILDERS[version](weights=None, input_shape=(None, None, 3), classifier_activation=None)
    assign(model, port_check.seeded_weights(version), head=True)
    return model

"""The update rules beside Adam's, each with a log of its steps, and where they differ from how they are written elsewhere.

g is the gradient, w a weight, lr the rate.

| rule | step | elsewhere |
|---|---|---|
| SGD | w -= lr g | the same |
| momentum | m = mu m - lr g; w += m | torch and optax keep m without the rate: m = mu m + g; w -= lr m. While the rate stays the steps are equal; when it falls, the stored steps keep the old rate here and get the new one there |
| Nesterov | m as above; w += mu m - lr g | as for momentum |
| AdaGrad | a += g²; w -= lr g / sqrt(a + eps) | a begins at 0.1 in Keras and optax, at 0 in the paper and in torch; torch has eps outside the root |
| RMSProp | v = rho v + (1 - rho) g²; w -= lr g / sqrt(v + eps) | torch has eps outside the root; rho is 0.9 in Keras and optax, 0.99 in torch |
| Adam | see `kerasqueeze.training.optimizers.adam`: eps outside the root | inside the root in some lectures: sqrt(v + eps), which for small v is a far larger number |
| AdamW | Adam; w -= lr decay w | the same |
| Lion | w -= lr sign(0.9 m + 0.1 g); m = 0.99 m + 0.01 g | the same |
| Muon | kernels: the orthogonalised momentum, see `ObservedMuon` | Keras' own takes matrices alone |
"""  # noqa: E501

import math
from typing import Any

import keras
from keras import ops

from kerasqueeze.training.optimizers.observed import Observed

HEADS = ("conv10", "predictions")
"""Names of the last layers, which Muon leaves to Adam."""


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedSGD(Observed, keras.optimizers.SGD):
    """`keras.optimizers.SGD`: plain, with momentum, or Nesterov's."""


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedAdagrad(Observed, keras.optimizers.Adagrad):
    """`keras.optimizers.Adagrad`."""


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedRMSprop(Observed, keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop`."""


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedLion(Observed, keras.optimizers.Lion):
    """`keras.optimizers.Lion`."""


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedMuon(Observed, keras.optimizers.Muon):
    """`keras.optimizers.Muon` for convolutions as well.

    Keras' own takes two-dimensional kernels alone and Adam for all others, which in SqueezeNet is all of it. Here a
    convolution's kernel (H, W, C, E) is a matrix (H W C, E), as in the rule's first use (Jordan et al. 2024,
    kellerjordan.github.io/posts/muon). Biases and the last layer are Adam's, as there.
    """

    def __init__(self, *args: Any, exclude_layers: list[str] | None = None, **kwargs: Any):
        super().__init__(*args, exclude_layers=list(HEADS) if exclude_layers is None else exclude_layers, **kwargs)

    def _should_use_adamw(self, variable: Any) -> bool:
        shape = tuple(variable.shape)
        if len(shape) < 2 or min(math.prod(shape[:-1]), shape[-1]) < 2:
            return True
        return any(name in variable.path for name in self.exclude_layers)

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign(m, ops.cast(gradient, m.dtype) + self.momentum * m)
        direction = gradient + self.momentum * m if self.nesterov else ops.convert_to_tensor(m)
        matrix = ops.reshape(direction, (-1, variable.shape[-1]))
        update = self.lr_adjust(self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, ops.cast(lr, variable.dtype) * ops.reshape(update, variable.shape))

"""SqueezeNet computed several times faster on the CPU, and exactly the same.

The functional graph of Keras layers stays the definition. XLA's CPU code for convolutions and pools is slow, above all
in the backward pass, so `LoweredModel` computes the same variables in another form, and `MicroBatchModel` trains in
pieces that stay in the cache; `switch.py` chooses. Each trick is a function with its reason:

- `products.py`: convolutions as matrix products;
- `pooled.py`: convolution and pool in one, and the first convolution;
- `fire.py`: the fire module;
- `network.py`: all of it as one function, and the model;
- `plan.py`: which graphs it is for;
- `microbatch.py`: the training step;
- `compiled.py`: how the steps are compiled;
- `by_layer.py`: what is left of it for other networks.

Tried and left: Winograd's filtering, F(2×2, 3×3), for the 3×3 convolutions. Products then take 44 % of a step's time in
place of 62 %, but the transformations around them take all that is saved, and compilation twice as long.
"""

from kerasqueeze.models.fast.switch import set_lowering

__all__ = ["set_lowering"]

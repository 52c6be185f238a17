"""Winograd's convolution, written into an ONNX graph: the same answers with fewer products.

onnxruntime computes a 3 x 3 convolution on a CPU directly: nine products a pixel and pair of
channels. Winograd's minimal filtering takes (m + 2)^2 for m x m pixels, 16/9 a pixel at m = 6
(Lavin and Gray, CVPR 2016, arXiv 1509.09308), between transforms of the input and of the output
that are linear in each channel. Here everything is a product of matrices, which onnxruntime
multiplies at the full speed of a core: with activations laid out as (h, w, n, c), a transform is
one constant matrix for all rows or columns at once, the padding with zeros within, and what is
done at the tiles' points are (m + 2)^2 matrix products over faces and channels. It pays for many
faces at a time: a single face would read the larger weights for itself alone.

The weights stay 3 x 3 in the file; onnxruntime transforms them as it loads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float64
from onnx import helper, numpy_helper, shape_inference

TILES = (2, 3, 4, 6)
"""Pixels of the output that are made together, a side. Larger ones lose digits of float32."""
_KERNEL = 3
_POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
"""Where the polynomials are evaluated, beside infinity: those that lose the fewest digits."""
_WORTH = 0.7
"""A convolution is rewritten if it takes at most this share of the products."""
_TURNED = [2, 3, 0, 1]
"""Swaps (n, c, h, w) and (h, w, n, c)."""

Matrix = Float64[np.ndarray, "_ _"]


@lru_cache
def minimal_filter(tile: int) -> tuple[Matrix, Matrix, Matrix]:
    """The matrices (A, G, B) with ``A @ ((G @ g) * (B @ d))`` the correlation of d and g.

    g has 3 numbers, d `tile` + 2, the correlation `tile`. By Toom and Cook: polynomials are
    multiplied at `tile` + 1 points and infinity; the transposed algorithm correlates. `tile` is one
    of `TILES`.
    """
    points = _POINTS[: tile + 1]
    rest = [points[:i] + points[i + 1 :] for i in range(len(points))]
    scales = [math.prod([p - q for q in others]) for p, others in zip(points, rest, strict=True)]
    a = [[p**j for p in points] + [Fraction(j == tile - 1)] for j in range(tile)]
    g = [[p**j / s for j in range(_KERNEL)] for p, s in zip(points, scales, strict=True)]
    b = [[*_polynomial(others), Fraction(0)] for others in rest] + [_polynomial(points)]
    return _array(a), _array([*g, [Fraction(0), Fraction(0), Fraction(1)]]), _array(b)


def _polynomial(roots: Iterable[Fraction]) -> list[Fraction]:
    """The coefficients, lowest first, of the product of (x - root)."""
    found = [Fraction(1)]
    for root in roots:
        found = [
            high - root * low
            for high, low in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)
        ]
    return found


def _array(rows: Sequence[Sequence[Fraction]]) -> Matrix:
    return np.array([[float(value) for value in row] for row in rows])


def transforms(side: int, tile: int) -> tuple[Matrix, Matrix]:
    """A whole row of `side` pixels into the tiles' transforms, and these back into a row.

    Shapes ((tile + 2) tiles, side) and (side, (tile + 2) tiles); the transforms of all tiles at a
    point lie together. Beyond the row is zero. `tile` divides `side`.
    """
    a, _, b = minimal_filter(tile)
    tiles = side // tile
    into, back = np.zeros((tile + 2, tiles, side + 2)), np.zeros((side, tile + 2, tiles))
    for i in range(tiles):
        into[:, i, i * tile : i * tile + tile + 2] = b
        back[i * tile : (i + 1) * tile, :, i] = a
    return into[:, :, 1:-1].reshape(-1, side), back.reshape(side, -1)


def best_tile(side: int, channels: int, filters: int) -> int | None:
    """The tile with which a convolution over `side` x `side` pixels takes the fewest products.

    None where the direct convolution is better, as with few channels.
    """

    def products(tile: int) -> float:
        points = (tile + 2) * (side // tile)
        return points**2 * channels * filters + points * side * (side + points) * (
            channels + filters
        )

    costs = {tile: products(tile) for tile in TILES if side % tile == 0}
    least = min(costs, key=costs.__getitem__, default=None)
    direct = _KERNEL**2 * side**2 * channels * filters
    return least if least is not None and costs[least] <= _WORTH * direct else None


def with_winograd(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, its 3 x 3 convolutions of stride 1 written as matrix products.

    Left as they are: other convolutions, sides that no tile divides or that aren't known, and
    those with so few channels that nothing would be gained. Between rewritten convolutions, sums
    and ReLU stay in their layout.
    """
    inferred = shape_inference.infer_shapes(model)
    rewriting = _Rewriting(inferred.graph)
    rewriting.run()
    written = onnx.ModelProto()
    written.CopyFrom(model)
    del written.graph.node[:], written.graph.value_info[:], written.graph.initializer[:]
    written.graph.node.extend(rewriting.nodes)
    used = {name for node in rewriting.nodes for name in node.input}
    kept = [one for one in model.graph.initializer if one.name in used]
    written.graph.initializer.extend([*kept, *rewriting.constants.values()])
    return written


class _Rewriting:
    """A graph on its way: its nodes so far, and in which layouts each tensor is there."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        values = [*graph.value_info, *graph.input, *graph.output]
        self._shapes = {value.name: _shape(value) for value in values}
        self._weights = {one.name: one for one in graph.initializer}
        self._made: set[str] = set()
        self._turned: set[str] = set()
        """Tensors that are there as (h, w, n, c), under `_name`."""
        self._only_turned: set[str] = set()
        """Those that are not there as the graph had them."""

    def run(self) -> None:
        """Write every node."""
        for node in self._graph.node:
            tile = self._tile(node)
            if tile is not None:
                self._convolve(node, tile)
            elif self._stays(node):
                inputs = [self._turn(name) for name in node.input]
                self._finish(node.op_type, inputs, node.output[0])
            else:
                self._turn_back(node.input)
                self.nodes.append(node)
        self._turn_back([value.name for value in self._graph.output])

    def _tile(self, node: onnx.NodeProto) -> int | None:
        """The tile of a convolution that is rewritten."""
        if node.op_type != "Conv" or not set(node.input[1:]) <= set(self._weights):
            return None
        said = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        filters, channels, *kernel = self._weights[node.input[1]].dims
        plain = {"strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1], "group": 1}
        without = {"strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0], "group": 1}
        same = all(said.get(key, without[key]) == value for key, value in plain.items())
        shape = self._shapes.get(node.input[0], ())
        if not same or kernel != [_KERNEL, _KERNEL] or said.get("auto_pad", b"NOTSET") != b"NOTSET":
            return None
        if len(shape) != 4 or not shape[2] or shape[2] != shape[3]:
            return None
        return best_tile(shape[2], channels, filters)

    def _stays(self, node: onnx.NodeProto) -> bool:
        """Whether a node is computed in the layout of the convolutions around it."""
        inputs = list(node.input)
        if node.op_type not in ("Relu", "Add") or not self._turned.intersection(inputs):
            return False
        shapes = {self._shapes.get(name, ()) for name in inputs}
        return len(shapes) == 1 and len(shapes.pop()) == 4

    def _convolve(self, node: onnx.NodeProto, tile: int) -> None:
        """out[h, w] = A (sum over channels of (G g G') * (B x B')) A', in products of matrices."""
        name, weights = node.output[0], self._weights[node.input[1]]
        side, channels, filters = self._shapes[node.input[0]][2], weights.dims[1], weights.dims[0]
        points, tiles = tile + 2, side // tile
        wide = points * tiles
        into, back = (
            self._constant(f"winograd_{way}_{side}_{tile}", matrix.astype(np.float32))
            for way, matrix in zip(("into", "back"), transforms(side, tile), strict=True)
        )
        x = self._turn(node.input[0])
        x = self._product(into, self._reshaped(x, side, -1), f"{x}/rows_{tile}")
        x = self._product(into, self._reshaped(x, wide, side, -1), f"{x}/columns")
        x = self._reshaped(x, points, tiles, points, -1, channels)
        x = self._product(x, self._transformed(node.input[1], tile), f"{name}/products")
        x = self._product(back, self._reshaped(x, wide, wide, -1), f"{name}/columns_back")
        x = self._product(back, self._reshaped(x, wide, -1), f"{name}/rows_back")
        x = self._reshaped(x, side, side, -1, filters)
        if len(node.input) == 3:
            self._finish("Add", [x, node.input[2]], name)
        else:
            self._finish("Identity", [x], name)

    def _transformed(self, weights: str, tile: int) -> str:
        """G g G' of each pair of channels, (points, 1, points, c, f): computed at loading."""
        filters, channels = self._weights[weights].dims[:2]
        points = tile + 2
        g = self._constant(f"winograd_weights_{tile}", minimal_filter(tile)[1].astype(np.float32))
        x = self._node("Transpose", [weights], f"{weights}/turned", perm=[2, 3, 1, 0])
        x = self._product(g, self._reshaped(x, _KERNEL, -1), f"{weights}/down_{tile}")
        x = self._product(g, self._reshaped(x, points, _KERNEL, -1), f"{x}/across")
        return self._reshaped(x, points, 1, points, channels, filters)

    def _finish(self, op: str, inputs: list[str], output: str) -> None:
        """Make a tensor of the graph, as (h, w, n, c) alone."""
        self._node(op, inputs, _name(output))
        self._turned.add(output)
        self._only_turned.add(output)

    def _turn(self, name: str) -> str:
        """The name under which a tensor is there as (h, w, n, c)."""
        if name not in self._turned:
            self._node("Transpose", [name], _name(name), perm=_TURNED)
            self._turned.add(name)
        return _name(name)

    def _turn_back(self, names: Iterable[str]) -> None:
        """See to it that tensors are there as the graph had them."""
        for name in names:
            if name in self._only_turned:
                self._node("Transpose", [_name(name)], name, perm=_TURNED)
                self._only_turned.discard(name)

    def _constant(self, name: str, value: np.ndarray) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _reshaped(self, name: str, *shape: int) -> str:
        said = self._constant(
            "winograd_shape_" + "_".join(map(str, shape)), np.array(shape, np.int64)
        )
        return self._node("Reshape", [name, said], f"{name}/{said}")

    def _product(self, left: str, right: str, output: str) -> str:
        return self._node("MatMul", [left, right], output)

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Make a tensor, unless another convolution of the same input or weights has made it."""
        if output not in self._made:
            self._made.add(output)
            self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output


def _name(tensor: str) -> str:
    """Of the same tensor as (h, w, n, c)."""
    return f"{tensor}/hwnc"


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Its dimensions, 0 for one that isn't known; nothing for what is no tensor."""
    return tuple(one.dim_value for one in value.type.tensor_type.shape.dim)

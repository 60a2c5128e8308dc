"""Graph models in the form of the official PoseNet and BodyPix files, small and with random weights.

Their nodes are called, prepared and padded as in the official ones, so that all but the weights is tried: MobileNet v1
with fused convolutions, and ResNet v1 with explicit padding, pooling and shortcuts.
"""

import json
from pathlib import Path

import numpy as np

POSES = {"heatmaps": 17, "offsets": 34, "displacement_fwd": 32, "displacement_bwd": 32}
BODIES = {"segments": 1, "part_heatmaps": 24, "long_offsets": 34}
FLOAT = {"heatmaps": "heatmaps", "offsets": "short_offsets"}


class Graph:
    """A graph model under construction."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes = [
            {
                "name": "sub_2",
                "op": "Placeholder",
                "attr": {
                    "dtype": {"type": "DT_FLOAT"},
                    "shape": {"shape": {"dim": [{"size": str(n)} for n in (1, -1, -1, 3)]}},
                },
            }
        ]
        self.weights: list[tuple[str, np.ndarray]] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights.append((name, value))
        kind = "DT_FLOAT" if value.dtype == np.float32 else "DT_INT32"
        self.nodes.append({"name": name, "op": "Const", "attr": {"dtype": {"type": kind}}})
        return name

    def add(self, name: str, op: str, inputs: list[str], **attributes: object) -> str:
        attributes["T"] = {"type": "DT_FLOAT"}
        self.nodes.append({"name": name, "op": op, "input": inputs, "attr": attributes})
        return name

    def conv(
        self, name, x, kernel, channels, *, stride=1, dilation=1, padding="U0FNRQ==", op="_FusedConv2D", last=None
    ):
        """A convolution with bias, and `last` behind it; kernel: its side and how many channels it reads."""
        side, read = kernel
        deep = op == "FusedDepthwiseConv2dNative"
        shape = (side, side, read, 1 if deep else channels)
        spread = np.sqrt(2 / (side * side * (1 if deep else read)))
        w = self.constant(f"{name}/weights", self.random.normal(0, spread, shape).astype(np.float32))
        b = self.constant(f"{name}/bias", self.random.normal(0, 0.1, read if deep else channels).astype(np.float32))
        fused = ["Qmlhc0FkZA==", *({"Relu6": ["UmVsdTY="], "Relu": ["UmVsdQ=="], None: []}[last])]
        return self.add(
            name,
            op,
            [x, w, b],
            strides={"list": {"i": ["1", str(stride), str(stride), "1"]}},
            dilations={"list": {"i": ["1", str(dilation), str(dilation), "1"]}},
            padding={"s": padding},
            data_format={"s": "TkhXQw=="},
            fused_ops={"list": {"s": fused}},
            num_args={"i": "1"},
            epsilon={"f": 0},
        )

    def pad(self, name: str, x: str, by: int) -> str:
        amounts = self.constant(f"{name}/paddings", np.array([[0, 0], [by, by], [by, by], [0, 0]], np.int32))
        return self.add(name, "Pad", [x, amounts])

    def pool(self, name: str, x: str, side: int) -> str:
        window = {key: {"list": {"i": ["1", str(n), str(n), "1"]}} for key, n in (("ksize", side), ("strides", 2))}
        return self.add(name, "MaxPool", [x], **window, padding={"s": "U0FNRQ=="}, data_format={"s": "TkhXQw=="})

    def heads(self, x: str, scope: str, channels: int, bodypix: bool) -> None:
        plain = not bodypix and scope == "MobilenetV1"
        for key, planes in {**POSES, **(BODIES if bodypix else {})}.items():
            if plain or key.startswith("displacement"):
                name = f"{scope}/{key.removesuffix('s')}_2/BiasAdd"
            else:
                name = f"float_{FLOAT.get(key, key)}"
            self.conv(name, x, (1, channels), planes)

    def write(self, folder: Path, name: str) -> Path:
        """Write NAME.json and its weights, in two files."""
        folder.mkdir(parents=True, exist_ok=True)
        data = b"".join(value.tobytes() for _, value in self.weights)
        half = len(data) // 8 * 4
        shards = {f"{name}-shard1of2.bin": data[:half], f"{name}-shard2of2.bin": data[half:]}
        for shard, content in shards.items():
            (folder / shard).write_bytes(content)
        kinds = {np.dtype(np.float32): "float32", np.dtype(np.int32): "int32"}
        listed = [{"name": n, "shape": list(v.shape), "dtype": kinds[v.dtype]} for n, v in self.weights]
        content = {
            "format": "graph-model",
            "modelTopology": {"node": self.nodes, "versions": {}},
            "weightsManifest": [{"paths": list(shards), "weights": listed}],
        }
        (folder / f"{name}.json").write_text(json.dumps(content))
        return folder / f"{name}.json"


def mobilenet(folder: Path, bodypix: bool, seed: int = 0) -> Path:
    """MobileNet v1 of 4 to 16 channels with an output stride of 16, in the official layout."""
    graph, channels = Graph(seed), 4
    x = graph.conv("MobilenetV1/Conv2d_0", "sub_2", (3, 3), channels, stride=2, last="Relu6")
    for number, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1), 1):
        name = f"MobilenetV1/Conv2d_{number}"
        # The twelfth had a stride of 2; without it the thirteenth looks twice as far.
        dilation = 2 if number == 13 else 1
        deep = "FusedDepthwiseConv2dNative"
        x = graph.conv(
            f"{name}_depthwise", x, (3, channels), 0, stride=stride, dilation=dilation, op=deep, last="Relu6"
        )
        wider = min(16, channels * stride)
        x = graph.conv(f"{name}_pointwise", x, (1, channels), wider, last="Relu6")
        channels = wider
    graph.heads(x, "MobilenetV1", channels, bodypix)
    return graph.write(folder, "model-stride16")


def resnet(folder: Path, bodypix: bool, stride: int, seed: int = 0) -> Path:
    """ResNet v1 of 8 to 16 channels in four blocks of two units, in the official layout."""
    graph, channels, now, dilation = Graph(seed), 8, 4, 1
    x = graph.pad("resnet_v1_50/Pad", "sub_2", 3)
    x = graph.conv("resnet_v1_50/conv1", x, (7, 3), channels, stride=2, padding="VkFMSUQ=", last="Relu")
    x = graph.pool("resnet_v1_50/pool1", x, 3)
    for block, wider in enumerate((8, 8, 16, 16), 1):
        for unit, step in enumerate((1, 1 if block == 4 else 2), 1):
            name = f"resnet_v1_50/block{block}/unit_{unit}"
            own = step if now * step <= stride else 1
            short = x
            if channels != wider:
                short = graph.conv(f"{name}/shortcut", x, (1, channels), wider, stride=own)
            elif own == 2:
                short = graph.pool(f"{name}/shortcut", x, 1)
            y = graph.conv(f"{name}/conv1", x, (1, channels), 4, last="Relu")
            if own == 2:
                y = graph.pad(f"{name}/Pad", y, 1)
                y = graph.conv(f"{name}/conv2", y, (3, 4), 4, stride=2, padding="VkFMSUQ=", last="Relu")
            else:
                y = graph.conv(f"{name}/conv2", y, (3, 4), 4, dilation=dilation, last="Relu")
            y = graph.conv(f"{name}/conv3", y, (1, 4), wider)
            x = graph.add(f"{name}/add", "AddV2", [short, y])
            x = graph.add(f"{name}/Relu", "Relu", [x])
            now, dilation, channels = now * own, dilation * step // own, wider
    assert now == stride
    graph.heads(x, "resnet_v1_50", channels, bodypix)
    return graph.write(folder, f"model-stride{stride}")

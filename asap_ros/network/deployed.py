"""The network as the vehicle runs it: camera pixels in, label mask and confidence out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asap_ros.network.asap import Asap
from asap_ros.network.layers import resize
from asap_ros.network.normalisation import normalise


class Deployed(nn.Module):
    """What an ONNX file holds; its inputs and outputs are the contract with every engine."""

    def __init__(self, model: Asap):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels, uint8 (B, H, W), and confidence, uint8 (B, H/s, W/s).

        ``image``: uint8 RGB (B, H, W, 3), H and W multiples of 32; s is the fused stride.
        Confidence is the largest softmax probability, 0 to 255 for 0 to 1.
        """
        scores = self.model(normalise(image))
        labels = resize(scores, image.shape[1:3]).argmax(1)
        confidence = torch.softmax(scores, 1).amax(1) * 255.0
        return labels.to(torch.uint8), (confidence + 0.5).to(torch.uint8)

"""Time a network in torch on a GPU, the baseline for TensorRT: ``python -m asap_training.torch_speed``.

Channels last, in float16 but for norms and softmax, frames uint8 as the vehicle's. The weights are
random: they decide nothing about time. Modes: eager; torch.compile; and each of them replayed as a
CUDA graph.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from asap_ros.cli.arguments import CommandParser, add_model, add_size, at_least_one
from asap_ros.network.asap import Asap
from asap_ros.network.config import AsapConfig
from asap_ros.network.layers import resize, to_channels_last
from asap_ros.network.normalisation import MEAN, STD
from asap_ros.segmentation import model_file
from asap_ros.segmentation.frame_statistics import percentiles
from asap_training import former_names
from asap_training.arguments import ending
from asap_training.export import fold_norms

WARM_UP = 20


class Baseline(nn.Module):
    """The network as it is exported: batch norms folded, weights in half precision, channels last.

    Its constants are on the device from the start, for a CUDA graph cannot capture their copying.
    """

    def __init__(self, config: AsapConfig, device: str):
        super().__init__()
        model = Asap(config).eval()
        fold_norms(model)
        self.dtype = torch.float16 if device == 'cuda' else torch.bfloat16  # the CPU's autocast
        self.model = to_channels_last(model, device, self.dtype)
        self.mean = torch.tensor(MEAN, device=device)
        self.scale = 1.0 / torch.tensor(STD, device=device)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels and confidence; see ``Deployed``. Norms and softmax are float32."""
        image = ((frames.float() - self.mean) * self.scale).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast(frames.device.type, self.dtype):
            scores = self.model(image)
            labels = resize(scores, image.shape[-2:]).argmax(1)
            confidence = torch.softmax(scores, 1).amax(1) * 255.0
            return labels.to(torch.uint8), (confidence + 0.5).to(torch.uint8)


def as_graph(call: Callable, frames: Tensor) -> Callable[[], object]:
    """Return what replays a call on these frames as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call(frames)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call(frames)
    return graph.replay


def measure(run: Callable[[], object], repeats: int, device: str) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds of a call, on the device alone where it is a GPU."""
    times = []
    for number in range(WARM_UP + repeats):
        if device == 'cuda':
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            run()
            end.record()
            end.synchronize()
            elapsed = begin.elapsed_time(end)
        else:
            start = time.perf_counter()
            run()
            elapsed = (time.perf_counter() - start) * 1e3
        if number >= WARM_UP:
            times.append(elapsed)
    return percentiles(times)


def measure_model(
    name: str, size: tuple[int, int], batch: int, repeats: int, device: str, compiled: bool
) -> dict:
    """Return the times of one model in every mode, and of eager from host to host."""
    written = model_file.read(model_file.locate(name)).training['config']
    config = AsapConfig.from_dict(former_names.section('network', written))
    torch.manual_seed(0)
    call = Baseline(config, device)
    host = torch.randint(0, 256, (batch, *size, 3), dtype=torch.uint8)
    host = host.pin_memory() if device == 'cuda' else host
    frames = host.to(device)
    modes = {'eager': call} | ({'compile': torch.compile(call)} if compiled else {})
    device_ms: dict[str, dict[str, float]] = {}
    for mode, function in modes.items():
        device_ms[mode] = measure(partial(function, frames), repeats, device)
        if device == 'cuda':
            device_ms[f'{mode}_graph'] = measure(as_graph(function, frames), repeats, device)
    host_to_host_ms = measure(
        lambda: [result.cpu() for result in call(host.to(device, non_blocking=True))],
        repeats,
        device,
    )
    return {
        'model': name,
        'batch': batch,
        'size': list(size),
        'device_ms': device_ms,
        'host_to_host_ms': host_to_host_ms,
    }


def main(arguments: list[str] | None = None) -> None:
    """Time shipped networks in torch and print JSON."""
    parser = CommandParser(
        'torch_speed', main.__doc__, '  %(prog)s --batch 1 --batch 8 > torch.json'
    )
    add_model(parser, None, ', may be given again (default every shipped one)', action='append')
    add_size(parser, 'network resolution')
    parser.add_argument(
        '--batch',
        action='append',
        type=at_least_one,
        metavar='N',
        help='frames in one call, may be given again (default 1 and 4 and 8)',
    )
    parser.add_argument(
        '--frames', type=at_least_one, default=300, metavar='N', help='measured calls'
    )
    parser.add_argument(
        '--device', choices=('cuda', 'cpu'), default='cuda', help='of torch: %(choices)s'
    )
    parser.add_argument(
        '--no-compile',
        dest='compiled',
        action='store_false',
        help='leave torch.compile out: it takes a C++ compiler and minutes',
    )
    options = parser.parse_args(arguments)
    with ending(parser):
        if options.device == 'cuda' and not torch.cuda.is_available():
            raise ValueError(f'torch {torch.__version__} finds no GPU; --device cpu times the CPU')
        results = [
            measure_model(
                name, options.size, batch, options.frames, options.device, options.compiled
            )
            for name in options.model or model_file.shipped()
            for batch in options.batch or (1, 4, 8)
        ]
    device = torch.cuda.get_device_name() if options.device == 'cuda' else 'cpu'
    json.dump(
        {'device': device, 'torch': torch.__version__, 'results': results}, sys.stdout, indent=2
    )
    print()


if __name__ == '__main__':
    main()

"""Building with the real TensorRT-RTX, which takes no GPU."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from asap_ros.segmentation import model_file
from asap_ros.segmentation.tensorrt import builder as building
from asap_ros.segmentation.tensorrt.builder import build, check_precisions
from asap_ros.segmentation.tensorrt.mixed_precision import TypedNetwork, make_typed_network
from asap_ros.segmentation.tensorrt.plan import BuildError, PlanOptions
from support import tiny_model

SIZE = (512, 1024)


@pytest.mark.parametrize('name', model_file.shipped())
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_every_shipped_model_builds_for_sm86_and_sm89(rtx, name, precision):
    model = model_file.read(model_file.locate(name))
    shares = []
    built = build(
        rtx,
        model,
        PlanOptions(precision, SIZE, 4, ('sm86', 'sm89')),
        report=lambda phase, share: shares.append(share),
    )
    assert len(built.plan) > 1e6
    assert built.float32 >= 30
    if precision == 'fp16':
        assert built.layers['fp16'] > 2 * built.layers['fp32'] - 1
    else:
        assert set(built.layers) == {'fp32'}
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(set(shares)) > 20


def test_each_gpu_gets_an_engine_of_its_own(rtx, shipped):
    plans = [
        build(rtx, shipped, PlanOptions('fp16', (64, 128), 1, archs)).plan
        for archs in (('sm86',), ('sm89',))
    ]
    assert plans[0] != plans[1]


def test_stopping(rtx, shipped):
    with pytest.raises(BuildError, match='it was stopped'):
        build(rtx, shipped, PlanOptions('fp16', (64, 128), 1, ('sm86',)), stopped=lambda: True)


def test_network_that_the_runtime_does_not_read(rtx, tiny_file):
    model = model_file.read(tiny_file)  # slices uint8
    with pytest.raises(BuildError, match=r'cannot read .*tiny\.onnx: In node 0 .* UINT8'):
        build(rtx, model, PlanOptions('fp32', tiny_model.frame().shape[:2], 1, ('sm86',)))


def test_timing_cache_is_not_for_a_runtime_that_measures_nothing(rtx, shipped, tmp_path):
    with pytest.raises(BuildError, match='measures no kernels .* is for tensorrt'):
        build(rtx, shipped, PlanOptions('fp16', (64, 128), 1, ('sm86',)), tmp_path / 'timings')


class Timings:
    """The part of TensorRT's builder configuration that is about measured kernels."""

    def __init__(self, fits=True):
        self.given, self.fits = None, fits

    def create_timing_cache(self, serialized):
        self.given = serialized
        return self if self.fits else None

    def set_timing_cache(self, cache, ignore_mismatch):
        assert cache is self and ignore_mismatch is False
        return True

    def get_timing_cache(self):
        return self

    def serialize(self):
        return self.given + b'+'


def test_timing_cache_is_written_and_read_again(tmp_path):
    for expected in (b'', b'+'):
        config = Timings()
        building.load_timing_cache(config, tmp_path / 'timings')
        assert config.given == expected
        building.save_timing_cache(config, tmp_path / 'timings')
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [('timings', b'++')]


def test_timing_cache_of_another_gpu(tmp_path):
    with pytest.raises(BuildError, match='timings is of another GPU or TensorRT: delete it'):
        building.load_timing_cache(Timings(fits=False), tmp_path / 'timings')


def parsed(rtx, model, float32):
    """Return TensorRT's network of the fp16 model, all its norms called ``float32``."""
    network_file = make_typed_network(model, 'fp16', (64, 128), 1)
    builder = rtx.trt.Builder(rtx.logger)
    network = building.parse_network(rtx, builder, network_file, model)
    return builder, network, TypedNetwork(network_file.content, frozenset(float32))


def test_a_norm_that_came_out_lower_is_found(rtx, shipped):
    convolution = next(n for n in tiny_names(shipped) if n.startswith('node_conv2d'))
    _, network, network_file = parsed(rtx, shipped, [convolution])
    with pytest.raises(BuildError, match=f'must be float32, but {convolution} came out lower'):
        check_precisions(rtx.trt, network, network_file)


def test_a_norm_that_cannot_be_found_is_found_out(rtx, shipped):
    _, network, network_file = parsed(rtx, shipped, ['nowhere'])
    with pytest.raises(BuildError, match='nowhere cannot be found'):
        check_precisions(rtx.trt, network, network_file)


def tiny_names(model):
    import onnx

    return [node.name for node in onnx.load(model.path).graph.node]


def test_without_strong_typing_norms_are_held_at_float32():
    """The calls to TensorRT 8.6, whose builder takes a GPU."""
    trt = SimpleNamespace(
        BuilderFlag=SimpleNamespace(FP16='FP16', INT8='INT8', OBEY_PRECISION_CONSTRAINTS='OBEY'),
        DataType=SimpleNamespace(FLOAT='FLOAT', HALF='HALF', INT32='INT32'),
        LayerType=SimpleNamespace(CAST='CAST', REDUCE='REDUCE'),
    )
    layers = [
        Layer('norm', '[ONNX Layer: norm]', 'HALF'),
        Layer('conv', '', 'HALF'),
        Layer('(Unnamed Layer* 3)', '[ONNX Layer: norm | axis: 1]', 'FLOAT'),
        Layer('shape', '[ONNX Layer: norm]', 'INT32'),
        Layer('cast', '[ONNX Layer: norm]', 'FLOAT', 'CAST'),
    ]
    network = SimpleNamespace(num_layers=5, get_layer=layers.__getitem__)
    flags = []
    config = SimpleNamespace(set_flag=flags.append)
    runtime = SimpleNamespace(trt=trt)
    network_file = TypedNetwork(b'', frozenset({'norm'}))
    building.set_precision_constraints(runtime, network, config, network_file, 'fp16')
    assert flags == ['FP16', 'OBEY']
    assert [layer.precision for layer in layers] == ['FLOAT', None, 'FLOAT', None, None]
    assert [layer.outputs for layer in layers] == [['FLOAT'], [], ['FLOAT'], [], []]
    building.set_precision_constraints(runtime, network, config, network_file, 'fp32')
    assert flags == ['FP16', 'OBEY']


class Layer:
    num_outputs, precision = 1, None

    def __init__(self, name, metadata, kind, layer_type='REDUCE'):
        self.name, self.metadata, self.outputs, self.type = name, metadata, [], layer_type
        self._output = SimpleNamespace(dtype=kind)

    def get_output(self, index):
        return self._output

    def set_output_type(self, index, kind):
        self.outputs.append(kind)


def told(*formats):
    """Return what the inspector of an engine says of layers with outputs of these formats."""
    layers = [
        {'Name': f'layer {number}', 'Outputs': [{'Format/Datatype': said}] if said else []}
        for number, said in enumerate(formats)
    ]
    return json.dumps({'Layers': layers, 'Bindings': []})


def inspecting(text):
    """Return a runtime whose inspector says that."""
    inspector = SimpleNamespace(get_engine_information=lambda kind: {'as JSON': text}[kind])
    engine = SimpleNamespace(create_engine_inspector=lambda: inspector)
    loader = SimpleNamespace(deserialize_cuda_engine=lambda plan: engine if plan else None)
    return SimpleNamespace(
        name='tensorrt',
        create=lambda kind: loader,
        logger=SimpleNamespace(take=lambda: 'why'),
        trt=SimpleNamespace(LayerInformationFormat=SimpleNamespace(JSON='as JSON')),
    )


def test_what_was_built_is_told_by_the_inspector():
    text = told(
        'Channel major FP16 format where channel % 8 == 0',
        'Row major linear FP32',
        '',
        'Half',
        'Row major Int8 format',
        'Row major INT32',
    )
    assert building.count_inspected_layers(inspecting(text), b'plan') == {
        'fp16': 2,
        'fp32': 1,
        'int8': 1,
    }
    with pytest.raises(BuildError, match='cannot load what it built: why'):
        building.count_inspected_layers(inspecting(text), b'')


def test_a_precision_that_was_not_delivered_is_an_error(rtx, shipped, monkeypatch):
    monkeypatch.setattr(building, 'check_precisions', lambda *_: ({'fp32': 9}, 33))
    with pytest.raises(BuildError, match=r'without one layer in fp16 \(9 fp32\)'):
        build(rtx, shipped, PlanOptions('fp16', (64, 128), 1, ('sm86',)))

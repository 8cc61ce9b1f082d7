from __future__ import annotations

import base64
import json
import zlib

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from asap_ros import resources
from asap_ros.segmentation import model_file
from asap_ros.segmentation.model_file import KEY, ModelError
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from support import tiny_model


def damaged(**changes):
    """Return metadata with some keys of its document replaced, or left out where None."""
    document = json.loads(tiny_model.entries()[KEY]) | changes
    return {KEY: json.dumps({k: v for k, v in document.items() if v is not None})}


def refusal(path):
    with pytest.raises(ModelError) as caught:
        model_file.read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_was_written_is_read_back(tiny_file):
    found = model_file.read(tiny_file)
    assert found.path == tiny_file
    assert found.labels == tiny_model.LABELS
    assert found.training == {'recipe': 'none'}
    assert found.software == '0.1.0'
    assert len(found.sha256) == 64
    frame = tiny_model.frame(seed=1)
    np.testing.assert_array_equal(found.golden.frame, frame)
    np.testing.assert_array_equal(found.golden.mask, tiny_model.expected_mask(frame))
    assert found.golden.frame.flags.c_contiguous


def test_hash_is_of_the_whole_file(tmp_path, tiny_file):
    other = tiny_model.write(tmp_path / 'other.onnx', damaged(software='0.1.1'))
    assert model_file.read(other).sha256 != model_file.read(tiny_file).sha256


def test_path_is_located_as_it_is(tiny_file):
    assert model_file.locate(str(tiny_file)) == tiny_file


def test_path_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match='nothing.onnx is not there'):
        model_file.locate(str(tmp_path / 'nothing.onnx'))


def test_shipped_models_are_found_by_name(tmp_path, monkeypatch):
    (tmp_path / 'models').mkdir()
    tiny_model.write(tmp_path / 'models' / 'small.onnx')
    monkeypatch.setattr(resources, 'share_folders', lambda: [tmp_path / 'empty', tmp_path])
    assert model_file.shipped() == ['small']
    assert model_file.locate('small') == tmp_path / 'models' / 'small.onnx'
    with pytest.raises(ModelError, match="no model 'large'.* one of small"):
        model_file.locate('large')


def test_unknown_name_where_no_models_are_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, 'share_folders', lambda: [tmp_path])
    with pytest.raises(ModelError, match="no model 'large'.*ships no models"):
        model_file.locate('large')


def test_folder_in_place_of_the_file(tmp_path):
    assert 'cannot be read' in refusal(tmp_path)


@pytest.mark.parametrize('share', [0.0, 0.5, 0.99])
def test_truncated(tmp_path, tiny_file, share):
    content = tiny_file.read_bytes()
    path = tmp_path / 'cut.onnx'
    path.write_bytes(content[: int(len(content) * share)])
    refusal(path)


def test_not_onnx(tmp_path):
    path = tmp_path / 'notes.onnx'
    path.write_text('not a network\n' * 100)
    assert 'damaged or not an ONNX network' in refusal(path)


def test_tensor_of_another_name(tmp_path):
    path = tiny_model.write(tmp_path / 'other.onnx', labels='classes')
    assert "no tensor 'labels'; it has classes, confidence, image" in refusal(path)


def test_tensor_of_another_type(tmp_path):
    path = tiny_model.write(tmp_path / 'other.onnx', kind=TensorProto.INT32)
    assert 'labels must be uint8 of 3 dimensions, it is tensor(int32)' in refusal(path)


def test_tensor_of_another_rank(tmp_path):
    model = tiny_model.network()
    flat = onnx.helper.make_node('Flatten', ['labels_3'], ['labels'])
    model.graph.node[5].output[0] = 'labels_3'
    model.graph.node.append(flat)
    del model.graph.output[0].type.tensor_type.shape.dim[2]
    path = tmp_path / 'flat.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'labels must be uint8 of 3 dimensions' in refusal(path)


def test_no_metadata(tmp_path):
    path = tiny_model.write(tmp_path / 'bare.onnx', {'author': 'someone'})
    assert 'was not exported by asap_training' in refusal(path)


def test_other_contract_says_what_to_do(tmp_path):
    path = tiny_model.write(tmp_path / 'new.onnx', damaged(contract=2, software='9.0.0'))
    message = refusal(path)
    assert 'follows contract 2, this software 1' in message
    assert 'export it again' in message


@pytest.mark.parametrize(
    'metadata',
    [
        {KEY: ''},
        {KEY: 'not JSON'},
        {KEY: '[]'},
        {KEY: 'null'},
        damaged(contract=None),
        damaged(software=None),
        damaged(training=None),
        damaged(golden=None),
        damaged(label_set=None),
        damaged(label_set={'name': 'x'}),
        damaged(label_set='camvid'),
        damaged(training='recipe'),
        damaged(training=3),
        damaged(golden=[]),
        damaged(golden={'frame': '', 'mask': ''}),
        damaged(golden={'frame': 'A', 'mask': 'A'}),
        damaged(golden={'frame': 'AAAA', 'mask': 'AAAA'}),
        damaged(golden={'frame': 3, 'mask': 3}),
    ],
    ids=lambda metadata: metadata[KEY][:20],
)
def test_damaged_metadata(tmp_path, metadata):
    refusal(tiny_model.write(tmp_path / 'damaged.onnx', metadata))


@pytest.mark.parametrize('mask', [np.zeros((32, 128), np.uint8), np.zeros((64, 96), np.uint8)])
def test_golden_frame_and_mask_of_different_sizes(tmp_path, mask):
    path = tiny_model.write(tmp_path / 'odd.onnx', tiny_model.entries(mask))
    assert 'golden' in refusal(path)


def test_golden_frame_that_no_network_takes(tmp_path):
    picture = tiny_model.frame(60, 124)
    entries = model_file.metadata(
        tiny_model.LABELS,
        model_file.GoldenFrame(picture, tiny_model.expected_mask(picture)),
        {},
        '1',
    )
    path = tiny_model.write(tmp_path / 'odd.onnx', entries)
    assert 'multiple of 32' in refusal(path)


def test_weights_in_another_file_are_refused_by_name(tmp_path, tiny_file, monkeypatch):
    """Also where that file lies in the folder that the process runs in."""
    network = onnx.load(tiny_file)
    for tensor in network.graph.initializer:  # only raw data can be kept elsewhere
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    path = tmp_path / 'split.onnx'
    onnx.save(network, path, save_as_external_data=True, location='weights.bin', size_threshold=0)
    assert (tmp_path / 'weights.bin').exists()
    monkeypatch.chdir(tmp_path)
    assert 'keeps weights in another file' in refusal(path)


def test_what_runs_is_what_was_hashed(tmp_path, tiny_file):
    path = tmp_path / 'swapped.onnx'
    path.write_bytes(tiny_file.read_bytes())
    model = model_file.read(path)
    path.write_bytes(b'something else')
    engine = OnnxRuntimeEngine(model, 'cpu')
    labels, _ = engine.infer(model.golden.frame[None])
    np.testing.assert_array_equal(labels[0], model.golden.mask)
    engine.close()
    engine.reopen()


def test_a_golden_frame_that_is_a_bomb_or_of_another_kind_is_refused(tmp_path):
    bomb = cv2.imencode('.png', np.zeros((1, 1), np.uint8))[1].tobytes()
    header = bomb[12:16] + (60000).to_bytes(4, 'big') * 2 + bomb[24:29]
    huge = bomb[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + bomb[33:]
    bitmap = cv2.imencode('.bmp', np.zeros((32, 32), np.uint8))[1].tobytes()
    for number, (data, says) in enumerate(((huge, 'more than the'), (bitmap, 'not JPEG, PNG'))):
        text = base64.b64encode(data).decode()
        golden = {'frame': text, 'mask': text}
        path = tiny_model.write(tmp_path / f'{number}.onnx', damaged(golden=golden))
        assert says in refusal(path)

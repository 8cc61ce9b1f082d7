"""Small bags for tests: a camera, its calibration, transforms and reference masks."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 50_000_000
SIZE = (32, 64)


def stamp(index):
    time_ns = START_NS + index * PERIOD_NS
    return TYPES['builtin_interfaces/msg/Time'](time_ns // 10**9, time_ns % 10**9)


def header(index, frame_id='camera_optical'):
    return TYPES['std_msgs/msg/Header'](stamp(index), frame_id)


def picture(index, size=SIZE):
    """Return a frame that differs from its neighbours, RGB."""
    rgb = np.zeros((*size, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, size[1], dtype=np.uint8)
    rgb[..., 1] = 20 * (index % 12)
    return rgb


def raw_image(index, size=SIZE):
    rgb = picture(index, size)
    return TYPES['sensor_msgs/msg/Image'](
        header(index), size[0], size[1], 'rgb8', 0, 3 * size[1], rgb.ravel()
    )


def jpeg_image(index, size=SIZE):
    data = cv2.imencode('.jpg', picture(index, size)[..., ::-1])[1].ravel()
    return TYPES['sensor_msgs/msg/CompressedImage'](
        header(index), 'rgb8; jpeg compressed bgr8', data
    )


def reference_mask(index, size=SIZE):
    """Return a Cityscapes mask: road below, sky above, an ignored stripe at the bottom."""
    mask = np.full(size, 10, np.uint8)
    mask[size[0] // 2 :] = 0
    mask[-2:] = 255
    return mask


def png_mask(index, size=SIZE):
    return png(reference_mask(index, size), index)


def png(mask, index):
    data = cv2.imencode('.png', mask)[1].ravel()
    return TYPES['sensor_msgs/msg/CompressedImage'](
        header(index), 'mono8; png compressed mono8', data
    )


def camera_info(index, size=SIZE):
    region = TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    k = np.array([60.0, 0, size[1] / 2, 0, 60.0, size[0] / 2, 0, 0, 1])
    p = np.array([60.0, 0, size[1] / 2, 0, 0, 60.0, size[0] / 2, 0, 0, 0, 1, 0])
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header(index),
        size[0],
        size[1],
        'plumb_bob',
        np.zeros(5),
        k,
        np.eye(3).ravel(),
        p,
        0,
        0,
        region,
    )


def transforms(_):
    transform = TYPES['geometry_msgs/msg/Transform'](
        TYPES['geometry_msgs/msg/Vector3'](1.7, 0.1, 1.22),
        TYPES['geometry_msgs/msg/Quaternion'](-0.5, 0.5, -0.5, 0.5),
    )
    return TYPES['tf2_msgs/msg/TFMessage'](
        [
            TYPES['geometry_msgs/msg/TransformStamped'](
                header(0, 'base_link'), 'camera_optical', transform
            )
        ]
    )


def words(_):
    return TYPES['std_msgs/msg/String']('not a picture')


RAW = ('/camera/image_raw', IMAGE, raw_image)
JPEG = ('/camera/image_raw/compressed', COMPRESSED, jpeg_image)
INFO = ('/camera/camera_info', 'sensor_msgs/msg/CameraInfo', camera_info)
MASK = ('/reference/mask/compressed', COMPRESSED, png_mask)
STATIC = ('/tf_static', 'tf2_msgs/msg/TFMessage', transforms)
WORDS = ('/chatter', 'std_msgs/msg/String', words)
DRIVE = (JPEG, INFO, MASK, STATIC)


def write(path: Path, topics=DRIVE, frames=6, storage=StoragePlugin.MCAP):
    """Write a bag folder and return it; /tf_static holds one message, the others ``frames``.

    In MCAP the messages of one moment make a chunk of their own.
    """
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = [
            writer.add_connection(name, kind, typestore=STORE) for name, kind, _ in topics
        ]
        for index in range(frames):
            for connection, (name, kind, make) in zip(connections, topics):
                if index and name == '/tf_static':
                    continue
                writer.write(
                    connection,
                    START_NS + index * PERIOD_NS,
                    STORE.serialize_cdr(make(index), kind),
                )
            if storage is StoragePlugin.MCAP and connections:
                writer.storage.close_chunk()
    return path


def add_unknown(path: Path):
    """Put a message of a type that no software knows into a bag, beside what it holds."""
    with Reader(path) as reader:
        kept = [(c.topic, c.msgtype, time, bytes(cdr)) for c, time, cdr in reader.messages()]
    shutil.rmtree(path)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        strange = writer.add_connection(
            '/strange', 'martian/msg/Ray', msgdef='float64 power', rihs01='RIHS01_' + '0' * 64
        )
        connections = {}
        for topic, kind, time, cdr in kept:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], time, cdr)
            writer.write(strange, time, b'\0\1\0\0' + bytes(8))

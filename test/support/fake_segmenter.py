"""A segmenter that answers every frame with sky above and road below, for tests of the replay.

Parameters make it slow, silent, or leave it inactive, which the real one would be by misfortune.
"""

import json
import time
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import LabelInfo, VisionClass

from asap_ros import labels
from asap_ros.imaging import message_codec
from asap_ros.msg import RoadGeometry, StageTimings

CAMVID = labels.load('camvid')
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class FakeSegmenter(LifecycleNode):
    def __init__(self):
        super().__init__('segmenter')
        for name, default in (
            ('active', True),
            ('delay', 0.0),
            ('silent_at', -1),
            ('log', ''),
            ('classes', list(CAMVID.names)),
        ):
            self.declare_parameter(name, default)
        self.infos, self.transforms, self.seen, self.clocks = [], [], [], []
        self.counts = dict.fromkeys(('received', 'processed', 'dropped', 'stale', 'failed'), 0)

    def value(self, name):
        return self.get_parameter(name).value

    def on_configure(self, state):
        self.mask = self.create_publisher(Image, '~/mask', 10)
        self.timings = self.create_publisher(StageTimings, '~/timings', 10)
        self.road = self.create_publisher(RoadGeometry, '~/road_geometry', 10)
        self.label_info = self.create_publisher(LabelInfo, '~/label_info', LATCHED)
        self.diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.inputs = [
            self.create_subscription(Image, 'image', self.on_raw, qos_profile_sensor_data),
            self.create_subscription(
                CompressedImage, 'image/compressed', self.on_compressed, qos_profile_sensor_data
            ),
            self.create_subscription(CameraInfo, 'camera_info', self.infos.append, 10),
            self.create_subscription(Clock, '/clock', self.clocks.append, 10),
            self.create_subscription(TFMessage, '/tf_static', self.transforms.append, LATCHED),
        ]
        info = LabelInfo()
        info.class_map = [
            VisionClass(class_id=k, class_name=name)
            for k, name in enumerate(self.value('classes'))
        ]
        self.label_info.publish(info)
        return TransitionCallbackReturn.SUCCESS

    def on_raw(self, message):
        self.answer(message, message_codec.decode)

    def on_compressed(self, message):
        self.answer(message, message_codec.decode_compressed)

    def answer(self, message, decode):
        self.counts['received'] += 1
        self.seen.append(message.header.stamp)
        try:
            picture = decode(message)
        except message_codec.ImageError as error:
            self.get_logger().error(str(error))
            self.counts['failed'] += 1
            self.publish_timings(message.header)
            return
        time.sleep(self.value('delay'))
        self.report_engine()
        if self.counts['received'] - 1 == self.value('silent_at'):
            return
        mask = np.full((picture.height // 2, picture.width // 2), CAMVID.id_of('sky'), np.uint8)
        mask[mask.shape[0] // 2 :] = CAMVID.id_of('road')
        self.mask.publish(message_codec.encode(mask, 'mono8', message.header))
        self.road.publish(RoadGeometry(header=message.header, status=RoadGeometry.STATUS_NO_TF))
        self.counts['processed'] += 1
        self.publish_timings(message.header, infer=10.0 + self.counts['processed'])

    def publish_timings(self, header, infer=float('nan')):
        stages = dict.fromkeys(
            ('decode', 'preprocess', 'road', 'publish', 'total', 'age'), float('nan')
        )
        self.timings.publish(StageTimings(header=header, infer=infer, **stages, **self.counts))

    def report_engine(self):
        facts = {
            'name': 'fake',
            'provider': 'numpy',
            'precision': 'uint8',
            'model': 'halves',
            'model_sha256': 'c' * 64,
            'label_set': 'camvid',
        }
        self.diagnostics.publish(
            DiagnosticArray(
                status=[
                    DiagnosticStatus(
                        name='segmenter: engine',
                        values=[KeyValue(key=k, value=v) for k, v in facts.items()],
                    )
                ]
            )
        )

    def write_log(self):
        """Write what was heard to the file named by the parameter, for the test to read."""
        Path(self.value('log')).write_text(
            json.dumps(
                {
                    'images': [[s.sec, s.nanosec] for s in self.seen],
                    'camera_infos': [
                        [m.header.stamp.sec, m.header.stamp.nanosec] for m in self.infos
                    ],
                    'transforms': [
                        t.child_frame_id for m in self.transforms for t in m.transforms
                    ],
                    'clock': [[c.clock.sec, c.clock.nanosec] for c in self.clocks],
                }
            )
        )


def main():
    rclpy.init()
    node = FakeSegmenter()
    node.trigger_configure()
    if node.value('active'):
        node.trigger_activate()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    if node.value('log'):
        node.write_log()


if __name__ == '__main__':
    main()

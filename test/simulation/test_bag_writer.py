from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asap_ros.bags import images, topics
from asap_ros.bags.reader import Bag
from asap_ros.road.pose import pose_from_quaternion
from asap_simulation.bag_writer import START_NS, TOPICS, BagRecording, RecordingError
from support import simulated_drives

RATE = 10.0


def write(path, raw=False, frames=3):
    simulation = simulated_drives.drive('urban')
    made = [simulation.frame(number, RATE) for number in range(frames)]
    with BagRecording(path, simulation.lens, raw) as bag:
        for frame in made:
            bag.add(frame)
    return simulation, made


def read(bag, name):
    (topic,) = (t for t in bag.topics if t.name == name)
    return list(bag.messages(topic))


@pytest.mark.parametrize('raw', [False, True])
def test_a_bag_reads_back_as_the_frames_that_were_rendered(tmp_path, raw):
    simulation, frames = write(tmp_path / 'drive', raw)
    with Bag(tmp_path / 'drive') as bag:
        drive = topics.find(bag)
        assert drive.image.compressed is not raw and drive.image.count == 3
        assert drive.reference.name == '/ground_truth/mask/compressed'
        assert {t.name for t in bag.topics} == {drive.image.name, *TOPICS}
        for frame, image, mask in zip(
            frames, bag.messages(drive.image), bag.messages(drive.reference)
        ):
            np.testing.assert_array_equal(images.mask(mask), frame.mask)
            off = np.abs(images.rgb(images.picture(image)).astype(int) - frame.rgb)
            assert off.max() == 0 if raw else off.mean() < 6
        assert bag.damage is None


def test_all_messages_of_a_frame_bear_its_stamp(tmp_path):
    write(tmp_path / 'drive')
    expected = [START_NS + k * 100_000_000 for k in range(3)]
    with Bag(tmp_path / 'drive') as bag:
        for topic in bag.topics:
            wanted = expected[:1] if topic.name == '/tf_static' else expected
            messages = list(bag.messages(topic))
            assert [m.time_ns for m in messages] == wanted
            if 'tf' not in topic.name:
                assert [m.stamp_ns for m in messages] == wanted
            else:
                stamps = [m.value.transforms[0].header.stamp for m in messages]
                assert [s.sec * 10**9 + s.nanosec for s in stamps] == wanted


def test_calibration_and_transforms_are_the_cameras(tmp_path):
    simulation, frames = write(tmp_path / 'drive')
    lens = simulation.lens
    with Bag(tmp_path / 'drive') as bag:
        info = read(bag, '/camera/camera_info')[0].value
        (mount,) = read(bag, '/tf_static')[0].value.transforms
        moving = [m.value.transforms[0] for m in read(bag, '/tf')]
        odometry = [m.value for m in read(bag, '/odometry')]
    assert (info.width, info.height, info.header.frame_id) == (256, 128, 'camera_optical')
    np.testing.assert_allclose(info.k, [lens.f, 0, 127.5, 0, lens.f, 63.5, 0, 0, 1])
    assert (mount.header.frame_id, mount.child_frame_id) == ('base_link', 'camera_optical')
    q, t = mount.transform.rotation, mount.transform.translation
    pose = pose_from_quaternion(q.x, q.y, q.z, q.w, t.x, t.y, t.z)
    np.testing.assert_allclose(pose.rotation, lens.mounting.rotation, atol=1e-12)
    np.testing.assert_allclose(pose.translation, [1.7, 0, 1.22])
    for frame, tf, told in zip(frames, moving, odometry):
        assert (tf.header.frame_id, tf.child_frame_id) == ('odom', 'base_link')
        q = tf.transform.rotation
        np.testing.assert_allclose(
            Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix(), frame.rotation, atol=1e-12
        )
        assert tf.transform.translation.x == told.pose.pose.position.x == frame.position[0]
        assert (told.header.frame_id, told.child_frame_id) == ('odom', 'base_link')
        assert told.twist.twist.linear.x == frame.linear[0] > 5
        assert told.twist.twist.angular.z == frame.angular[2]


def test_the_road_and_the_free_space_are_the_truths(tmp_path):
    _, frames = write(tmp_path / 'drive')
    with Bag(tmp_path / 'drive') as bag:
        roads = [m.value for m in read(bag, '/ground_truth/road_geometry')]
        clouds = [m.value for m in read(bag, '/ground_truth/free_space')]
    for frame, road, cloud in zip(frames, roads, clouds):
        assert road.valid and road.header.frame_id == cloud.header.frame_id == 'base_link'
        assert road.reference == road.REFERENCE_ROAD_CENTRE
        for name in ('lateral_offset', 'heading', 'curvature', 'width', 'pitch'):
            assert getattr(road, name) == getattr(frame.geometry, name)
            assert getattr(road, f'{name}_sigma') == 0
        np.testing.assert_array_equal(road.curvature_at_s, frame.geometry.curvature_at_s)
        assert [f.name for f in cloud.fields] == [
            'x',
            'y',
            'z',
            'class',
            'range_sigma',
            'confidence',
        ]
        points = np.frombuffer(cloud.data, '<f4').reshape(-1, 6)
        np.testing.assert_array_equal(points, frame.free_space)
        assert cloud.width == frame.mask.shape[1] and cloud.height == 1


def test_nothing_is_overwritten_and_nothing_half_remains(tmp_path):
    write(tmp_path / 'drive', frames=1)
    with pytest.raises(RecordingError, match='exists already'):
        write(tmp_path / 'drive', frames=1)
    simulation = simulated_drives.drive('urban')
    with pytest.raises(ZeroDivisionError):
        with BagRecording(tmp_path / 'broken', simulation.lens, False) as bag:
            bag.add(simulation.frame(0, RATE))
            raise ZeroDivisionError
    with BagRecording(tmp_path / 'empty', simulation.lens, False):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ['drive']

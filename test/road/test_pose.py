"""Poses against scipy's rotations, and those that must be refused."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asap_ros.road.pose import PoseError, pose_from_mounting, pose_from_quaternion


def test_quaternion_and_mounting_are_the_same_pose():
    body = Rotation.from_euler('ZYX', [-0.0195, 0.038, 0.01]).as_matrix()
    optical = Rotation.from_matrix(body @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]))
    one = pose_from_quaternion(*optical.as_quat(), 1.7, 0.1, 1.22)
    other = pose_from_mounting(1.22, 0.038, 0.01, -0.0195, 1.7, 0.1)
    np.testing.assert_allclose(one.rotation, other.rotation, atol=1e-12)
    np.testing.assert_allclose(one.translation, other.translation)


@pytest.mark.parametrize(
    'pose, says',
    [
        (lambda: pose_from_quaternion(np.nan, 0, 0, 1, 0, 0, 1), 'length 1'),
        (lambda: pose_from_quaternion(0, 0, 0, 0, 0, 0, 1), 'length 1'),
        (lambda: pose_from_quaternion(0, 0, 0, 1, 0, np.nan, 1), 'NaN'),
        (lambda: pose_from_quaternion(0, 0, 0, 1, 0, 0, 0), 'z = 0'),
        (lambda: pose_from_mounting(-1.0), 'z = 0'),
        (lambda: pose_from_mounting(1.2, np.nan), 'NaN'),
    ],
)
def test_refused_poses(pose, says):
    with pytest.raises(PoseError, match=says):
        pose()

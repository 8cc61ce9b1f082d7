"""A recorded drive as an evaluation needs it."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ros.bags.calibration_and_odometry import CalibrationAndOdometry
from asap_ros.bags.reader import Bag
from asap_ros.bags.topics import DriveTopics


@dataclass(frozen=True)
class RecordedDrive:
    """An open bag, the topics of one camera in it, and what it says of the vehicle."""

    bag: Bag
    topics: DriveTopics
    vehicle: CalibrationAndOdometry

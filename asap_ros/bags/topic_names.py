"""What a user may say of a drive: its topics and the label set of its masks, each told once.

The options of commands, the parameters of the replay, the arguments of its launch file and the
table in docs/evaluation.md are made of DRIVE_OPTIONS or held to it by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TopicNames:
    """Topics that the user named; an empty name means: find it.

    ``masks`` holds label masks to take in place of a network's.
    """

    image: str = ''
    reference: str = ''
    masks: str = ''
    odometry: str = ''
    true_road: str = ''
    true_space: str = ''


ANY = TopicNames()
"""Nothing was named: every topic is found."""


@dataclass(frozen=True)
class DriveOption:
    """One thing that a user may say of a drive, and what holds where nothing is said.

    ``name`` is that of the launch argument and the replay's parameter; ``field`` that of
    TopicNames, empty for what is no topic.
    """

    name: str
    field: str
    description: str
    found: str
    default: str = ''

    @property
    def option(self) -> str:
        """Return the name on a command line, such as ``--image-topic``."""
        return '--' + self.name.replace('_', '-')

    @property
    def help(self) -> str:
        """Return the description with the rule for what is not named."""
        return self.description if self.default else f'{self.description} (default {self.found})'


IMAGE = DriveOption(
    'image_topic',
    'image',
    'camera, raw or compressed',
    'the only one, or the only one with a camera_info beside it; rectified before raw, raw before '
    'compressed',
)
ODOMETRY = DriveOption(
    'odometry_topic', 'odometry', 'motion, nav_msgs/Odometry', 'the only one, or /odometry'
)
REFERENCE = DriveOption(
    'reference_topic',
    'reference',
    'reference masks, class ids as mono8 Image or PNG',
    '/ground_truth/mask, else /reference/mask (with or without /compressed)',
)
REFERENCE_LABELS = DriveOption(
    'reference_labels',
    '',
    'label set of masks and truth in the bag',
    'cityscapes: the 19 train ids, 255 ignored',
    'cityscapes',
)
TRUE_ROAD = DriveOption(
    'road_topic',
    'true_road',
    'true road, asap_ros/RoadGeometry',
    'the only one below /ground_truth/',
)
TRUE_SPACE = DriveOption(
    'free_space_topic',
    'true_space',
    'true free space, PointCloud2 with float32 x, y, z, class and one point per image column, NaN '
    'where nothing blocks',
    'the only one below /ground_truth/free_space',
)
DRIVE_OPTIONS = (IMAGE, ODOMETRY, REFERENCE, REFERENCE_LABELS, TRUE_ROAD, TRUE_SPACE)


def topic_names(given: Mapping[str, object], **others: str) -> TopicNames:
    """Return the topics among options, parameters or arguments, by the names in DRIVE_OPTIONS.

    ``given`` may lack some of them and hold more; ``others`` are fields that have no such name.
    """
    named = {o.field: str(given[o.name]) for o in DRIVE_OPTIONS if o.field and o.name in given}
    return TopicNames(**named, **others)

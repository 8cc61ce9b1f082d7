"""Which of a bag's topics are the camera, what is known of the vehicle, and the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asap_ros.bags.reader import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    ODOMETRY,
    POINT_CLOUD,
    ROAD_GEOMETRY,
    TF,
    Bag,
    BagError,
    Topic,
)
from asap_ros.bags.topic_names import ANY, TopicNames

NOT_A_CAMERA = ('mask', 'label', 'segment', 'depth', 'disparity', 'confidence', 'overlay')
BEST_FIRST = ('image_rect_color', 'image_rect', 'image_color', 'image_raw', 'image')
"""Last names of camera topics; the segmenter wants rectified frames where there are any."""
PREDICTED = '/reference/mask'
EXACT = '/ground_truth/mask'
"""Names of reference masks: a large network's predictions, and labels that are true."""
TRUTH = '/ground_truth/'
"""Where a bag keeps what is true: labels made by hand or simulated, and metric truth."""


@dataclass(frozen=True, kw_only=True)
class DriveTopics:
    """The topics of one camera in a bag; None for what is not recorded.

    ``reference`` holds label masks to compare with, ``masks`` those to take in place of a
    network's; ``true_road`` (RoadGeometry) and ``true_space`` (PointCloud2, a point per image
    column) are metric truth.
    """

    image: Topic
    camera_info: Topic | None
    tf_static: Topic | None
    reference: Topic | None
    odometry: Topic | None = None
    masks: Topic | None = None
    true_road: Topic | None = None
    true_space: Topic | None = None

    @property
    def image_name(self) -> str:
        """Return the camera's topic as image_transport calls it, without ``/compressed``."""
        return base(self.image)

    @property
    def camera_info_name(self) -> str:
        """Return where listeners of that camera look for its calibration: beside the image."""
        return f'{_namespace(self.image_name)}/camera_info'

    @property
    def reference_kind(self) -> str | None:
        """Return ``true labels`` or ``predictions`` by the reference topic's name.

        Topics below /ground_truth hold labels that are true (made by hand or simulated), every
        other reference is taken for what another network predicted.
        """
        if not self.reference:
            return None
        return 'true labels' if self.reference.name.startswith(TRUTH) else 'predictions'


def find(bag: Bag, wanted: TopicNames = ANY) -> DriveTopics:
    """Return the topics of the camera to evaluate.

    Raises BagError, naming the candidates, where there is no camera topic, no message on it,
    more than one camera, or not the topic that was asked for.
    """
    camera = image_topic(bag, wanted.image)
    masks = None
    if wanted.masks:
        masks = _with_messages(bag, [_named(bag, _images(bag), wanted.masks, 'mask')])[0]
    reference = reference_topic(bag, wanted.reference)
    if reference == masks and not wanted.reference:
        reference = None  # what is judged is no reference for itself
    return DriveTopics(
        image=camera,
        camera_info=_camera_info(bag, camera),
        tf_static=_first(bag, TF, '/tf_static'),
        reference=reference,
        masks=masks,
        odometry=_of_type(bag, ODOMETRY, wanted.odometry, 'odometry'),
        true_road=_of_type(bag, ROAD_GEOMETRY, wanted.true_road, 'road geometry', TRUTH),
        true_space=_of_type(
            bag, POINT_CLOUD, wanted.true_space, 'free space', f'{TRUTH}free_space'
        ),
    )


def image_topic(bag: Bag, name: str = '') -> Topic:
    """Return the camera topic called ``name``, or the one that is plainly the camera."""
    images = _images(bag)
    if not images:
        raise BagError(
            f'bag {bag.path} has no image topic; it has {_listed(bag.topics) or "no topic at all"}'
        )
    if name:
        return _with_messages(bag, [_named(bag, images, name, 'image')])[0]
    cameras = [t for t in images if not any(word in t.name for word in NOT_A_CAMERA)]
    if not cameras:
        raise BagError(
            f'bag {bag.path} has no topic that looks like a camera; name one with '
            f'image_topic: {_listed(images)}'
        )
    cameras = _with_messages(bag, cameras)
    calibrated = {_namespace(t.name) for t in bag.topics if t.type == CAMERA_INFO and t.count}
    if any(_namespace(base(t)) in calibrated for t in cameras):
        cameras = [t for t in cameras if _namespace(base(t)) in calibrated]
    if len({_namespace(base(t)) for t in cameras}) > 1:
        raise BagError(
            f'bag {bag.path} has more than one camera; name one with image_topic: '
            f'{_listed(cameras)}'
        )
    return min(cameras, key=_preference)


def reference_topic(bag: Bag, name: str = '') -> Topic | None:
    """Return the topic of reference masks called ``name``, or the one by custom, or None."""
    images = [t for t in bag.topics if t.type in (IMAGE, COMPRESSED) and t.count]
    if name:
        return _named(bag, images, name, 'reference')
    found = [t for wanted in (EXACT, PREDICTED) for t in images if base(t) == wanted]
    return found[0] if found else None


def base(topic: Topic) -> str:
    """Return the topic's name without the ending that image_transport adds to it."""
    return topic.name.removesuffix('/compressed') if topic.compressed else topic.name


def _named(bag: Bag, images: list[Topic], name: str, what: str) -> Topic:
    """Return the topic of that name, or of that name as image_transport compresses it."""
    for wanted in (name, f'{name}/compressed'):
        for topic in images:
            if topic.name == wanted:
                return topic
    raise BagError(
        f'bag {bag.path} has no {what} topic {name}; its image topics are '
        f'{_listed(images) or "none"}'
    )


def _of_type(bag: Bag, message_type: str, name: str, what: str, below: str = '') -> Topic | None:
    """Return the topic called ``name``, or the only one of its type whose name begins so."""
    found = [t for t in bag.topics if t.type == message_type and t.count]
    if name:
        named = [t for t in found if t.name == name]
        if not named:
            raise BagError(
                f'bag {bag.path} has no {what} topic {name}; of its type '
                f'({message_type}) it has {_listed(found) or "none"}'
            )
        return named[0]
    found = [t for t in found if t.name.startswith(below)]
    usual = [t for t in found if t.name == f'/{what}']
    return usual[0] if usual else found[0] if len(found) == 1 else None


def _images(bag: Bag) -> list[Topic]:
    """Return the topics of images, raw and compressed."""
    return [t for t in bag.topics if t.type in (IMAGE, COMPRESSED)]


def _with_messages(bag: Bag, topics: list[Topic]) -> list[Topic]:
    """Return the topics that hold a message; BagError where none does."""
    filled = [t for t in topics if t.count]
    if not filled:
        raise BagError(f'bag {bag.path} holds not one image: {_listed(topics)}')
    return filled


def _camera_info(bag: Bag, image: Topic) -> Topic | None:
    """Return the calibration beside the image, or the only one there is."""
    infos = [t for t in bag.topics if t.type == CAMERA_INFO and t.count]
    beside = [t for t in infos if t.name == f'{_namespace(base(image))}/camera_info']
    return beside[0] if beside else infos[0] if len(infos) == 1 else None


def _first(bag: Bag, message_type: str, name: str) -> Topic | None:
    """Return the topic of that type and name, or None."""
    return next((t for t in bag.topics if (t.type, t.name) == (message_type, name)), None)


def _preference(topic: Topic) -> tuple[int, bool, str]:
    """Return the sorting key of one camera's topics: rectified first, raw before compressed."""
    last = base(topic).rpartition('/')[2]
    rank = BEST_FIRST.index(last) if last in BEST_FIRST else len(BEST_FIRST)
    return rank, topic.compressed, topic.name


def _namespace(name: str) -> str:
    """Return the name without its last part."""
    return name.rpartition('/')[0]


def _listed(topics: Iterable[Topic]) -> str:
    """Return topics as one line."""
    return ', '.join(str(t) for t in topics)

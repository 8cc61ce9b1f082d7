"""Which of a bag's topics are the camera, its calibration, the transforms and the references."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ros.evaluation.bags import CAMERA_INFO, COMPRESSED, IMAGE, TF, Bag, BagError, Topic

NOT_A_CAMERA = ('mask', 'label', 'segment', 'depth', 'disparity', 'confidence', 'overlay')
BEST_FIRST = ('image_rect_color', 'image_rect', 'image_color', 'image_raw', 'image')
"""Last names of camera topics; the segmenter wants rectified frames where there are any."""
PREDICTED = '/reference/mask'
EXACT = '/ground_truth/mask'
"""Names of reference masks: a large network's predictions, and labels that are true."""


@dataclass(frozen=True)
class Drive:
    """The topics of one camera in a bag; None for what is not recorded."""

    image: Topic
    camera_info: Topic | None
    tf_static: Topic | None
    reference: Topic | None

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
        """Return ``hand labels`` or ``predictions`` by the reference topic's name.

        Topics below /ground_truth hold labels that are true (made by hand or simulated), every
        other reference is taken for what another network predicted.
        """
        if not self.reference:
            return None
        return 'hand labels' if self.reference.name.startswith('/ground_truth') else 'predictions'


def find(bag: Bag, image: str = '', reference: str = '') -> Drive:
    """Return the topics of the camera to evaluate; empty names mean: find it.

    Raises BagError, naming the candidates, where there is no camera topic, no message on it,
    more than one camera, or not the topic that was asked for.
    """
    camera = image_topic(bag, image)
    return Drive(
        camera, _camera_info(bag, camera), _first(bag, TF, '/tf_static'),
        reference_topic(bag, reference))


def image_topic(bag: Bag, name: str = '') -> Topic:
    """Return the camera topic called ``name``, or the one that is plainly the camera."""
    images = [t for t in bag.topics if t.type in (IMAGE, COMPRESSED)]
    if not images:
        raise BagError(f'bag {bag.path} has no image topic; it has '
                       f'{_listed(bag.topics) or "no topic at all"}')
    if name:
        return _with_messages(bag, [_named(bag, images, name, 'image')])[0]
    cameras = [t for t in images if not any(word in t.name for word in NOT_A_CAMERA)]
    if not cameras:
        raise BagError(f'bag {bag.path} has no topic that looks like a camera; name one with '
                       f'image_topic: {_listed(images)}')
    cameras = _with_messages(bag, cameras)
    calibrated = {_namespace(t.name) for t in bag.topics if t.type == CAMERA_INFO and t.count}
    if any(_namespace(base(t)) in calibrated for t in cameras):
        cameras = [t for t in cameras if _namespace(base(t)) in calibrated]
    if len({_namespace(base(t)) for t in cameras}) > 1:
        raise BagError(f'bag {bag.path} has more than one camera; name one with image_topic: '
                       f'{_listed(cameras)}')
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
    raise BagError(f'bag {bag.path} has no {what} topic {name}; its image topics are '
                   f'{_listed(images) or "none"}')


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


def _listed(topics) -> str:
    """Return topics as one line."""
    return ', '.join(str(t) for t in topics)

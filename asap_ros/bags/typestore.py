"""The message types of recorded drives, for reading and writing bags without ROS."""

from __future__ import annotations

from functools import cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from asap_ros import resources
from asap_ros.resources import PACKAGE


@cache
def typestore() -> Typestore:
    """Return ROS 2 Jazzy's message types and those of this package; one store for all callers.

    What a camera bag holds is the same in every ROS 2. The package's own types come from its
    ``msg`` files, so that bags and the node cannot differ. Raises FileNotFoundError where the
    installation lacks them.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for path in sorted(resources.find('msg').glob('*.msg')):
        store.register(get_types_from_msg(path.read_text(), f'{PACKAGE}/msg/{path.stem}'))
    return store

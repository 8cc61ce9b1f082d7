"""What all tests share: a ROS domain of their own, the shared data, launch_pytest everywhere."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import itertools
import os
import random
import re
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HAS_ROS = importlib.util.find_spec('rclpy') is not None
HAS_TORCH = importlib.util.find_spec('torch') is not None
NEEDS_TORCH = ('network', 'training')
ROS_PACKAGES = 'ament_index_python|launch|rclpy|sensor_msgs'
IMPORTS_ROS = re.compile(rf"^(?:import |from |pytest\.importorskip\(')(?:{ROS_PACKAGES})\b", re.M)

# Tests of the network and of training belong to the environment that has torch (`make test` runs
# both environments); everything else belongs to the one that has ROS.
collect_ignore = [] if HAS_TORCH else list(NEEDS_TORCH)


def distributes(config) -> bool:
    """Return whether this process leaves all tests to workers (pytest-xdist)."""
    return not hasattr(config, 'workerinput') and config.getoption('dist', 'no') != 'no'


def pytest_configure(config):
    """Set the stage before anything starts a ROS process or imports a test."""
    if not HAS_ROS or distributes(config):
        return
    import domain_coordinator

    stage = contextlib.ExitStack()
    config.add_cleanup(stage.close)
    start = random.randrange(100)
    ids = (1 + (start + step) % 100 for step in itertools.count())
    os.environ['ROS_DOMAIN_ID'] = str(
        stage.enter_context(domain_coordinator.domain_id(ids.__next__))
    )
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    # Shared memory that killed processes left behind can make a new participant deaf.
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    os.environ['ROS_LOG_DIR'] = stage.enter_context(tempfile.TemporaryDirectory())
    if importlib.util.find_spec('launch_pytest') is None:
        sys.path.insert(0, str(HERE / 'support' / 'launch_pytest_fallback'))
        config.pluginmanager.import_plugin('launch_pytest.plugin')


def pytest_report_header(config):
    """Say which half of the tests this environment runs."""
    left_out = f'; left out: {", ".join(collect_ignore)} (no torch)' if collect_ignore else ''
    domain = 'of each worker' if distributes(config) else os.environ.get('ROS_DOMAIN_ID')
    ros = f'ROS domain {domain}' if HAS_ROS else 'no ROS'
    return f'asap_ros: {ros}, {"torch" if HAS_TORCH else "no torch"}{left_out}'


def pytest_itemcollected(item):
    """Mark the tests of a module that imports ROS."""
    if imports_ros(item.path):
        item.add_marker('ros')


@functools.cache
def imports_ros(path: Path) -> bool:
    """Return whether a module of tests imports a package of ROS, or is skipped without it."""
    return IMPORTS_ROS.search(path.read_text()) is not None


@pytest.fixture(scope='session')
def asap_data() -> Path:
    """The folder of recorded data that ASAP_DATA names."""
    if 'ASAP_DATA' not in os.environ:
        pytest.skip('needs recorded data: set ASAP_DATA to its folder')
    folder = Path(os.environ['ASAP_DATA'])
    assert folder.is_dir(), f'ASAP_DATA is {folder}, which is no folder'
    return folder


@pytest.fixture(scope='session')
def tiny_file(tmp_path_factory) -> Path:
    """The network file of support/tiny_model.py, whose every answer is known."""
    from support import tiny_model

    return tiny_model.write(tmp_path_factory.mktemp('models') / 'tiny.onnx')


@pytest.fixture(scope='session')
def ros():
    """ROS initialised in this process."""
    import rclpy

    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope='module')
def own_domain():
    """Put the processes of a module's tests into a ROS domain apart from this process's.

    Services that this process has half let go of make those of the same name look absent there.
    """
    import domain_coordinator

    before = os.environ['ROS_DOMAIN_ID']
    with domain_coordinator.domain_id() as number:
        os.environ['ROS_DOMAIN_ID'] = str(number)
        yield
        os.environ['ROS_DOMAIN_ID'] = before


@pytest.fixture
def make_segmenter(ros, tiny_file):
    """Make live segmenters (support/live_segmenter.py) that end with the test."""
    from support.live_segmenter import LiveSegmenter

    with contextlib.ExitStack() as stage:

        def make(model=tiny_file, **parameters):
            made = LiveSegmenter(model, **parameters)
            stage.callback(made.close)
            return made

        yield make
    gc.collect()  # a lifecycle node's services stay in the graph until it is collected


@pytest.fixture
def make_vehicle(make_segmenter):
    """Make live segmenters that see rendered roads (support/live_vehicle.py)."""
    from support.live_vehicle import ROAD_OUTPUTS, LiveVehicle, calibration
    from support.synthetic_roads import MOUNT

    def make(*outputs, info=True, **parameters):
        parameters = {
            'network_height': MOUNT.height,
            'network_width': MOUNT.width,
            'tf_timeout': 0.0,
        } | parameters
        segmenter = make_segmenter(**parameters).start(*(outputs or ROAD_OUTPUTS), 'timings')
        if info:
            segmenter.calibrate(calibration())
        return LiveVehicle(segmenter)

    return make


@pytest.fixture
def bags(asap_data) -> Path:
    """The folder of recorded drives."""
    folder = asap_data / 'bags'
    if not folder.is_dir():
        pytest.skip(f'no recorded drives in {asap_data}')
    return folder

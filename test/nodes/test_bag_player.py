"""What the player of a recorded drive knows of those who listen to it."""

import time

import pytest

from support import bags_with_truth

pytest.importorskip('rclpy', reason='needs the ROS environment')

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from asap_ros.bags import topics
from asap_ros.bags.reader import Bag
from asap_ros.nodes.bag_player import BagPlayer
from asap_ros.nodes.output_recorder import LATCHED


@pytest.fixture
def nodes():
    """Two nodes of processes apart, as far as ROS can tell."""
    made = []
    for name in ('player', 'listener'):
        context = Context()
        rclpy.init(context=context)
        made.append(Node(name, context=context))
    yield made
    for node in made:
        node.destroy_node()
        node.context.shutdown()


def test_static_transforms_have_arrived_when_the_player_says_so(tmp_path, nodes):
    playing, listening = nodes
    heard = []
    with Bag(bags_with_truth.write(tmp_path / 'bend', 2)) as bag:
        player = BagPlayer(playing, bag, topics.find(bag))
        assert player.static_transforms_delivered()  # nobody listens
        listening.create_subscription(TFMessage, '/tf_static', heard.append, LATCHED)
        end = time.monotonic() + 30
        while not playing.count_subscribers('/tf_static'):
            assert time.monotonic() < end
            time.sleep(0.001)
        while not player.static_transforms_delivered():
            assert time.monotonic() < end
    executor = SingleThreadedExecutor(context=listening.context)
    executor.add_node(listening)
    executor.spin_once(timeout_sec=0)
    assert [t.child_frame_id for t in heard[0].transforms] == ['camera_optical']


def test_a_listener_that_is_known_and_not_reached_is_waited_for(tmp_path, nodes, monkeypatch):
    playing, _ = nodes
    with Bag(bags_with_truth.write(tmp_path / 'bend', 2)) as bag:
        player = BagPlayer(playing, bag, topics.find(bag))
        monkeypatch.setattr(playing, 'count_subscribers', lambda topic: 1)
        assert not player.static_transforms_delivered()

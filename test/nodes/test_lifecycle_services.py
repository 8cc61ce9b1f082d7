"""Requests to change the state that the state does not have: refused, and the node lives."""

from __future__ import annotations

import random
import string

import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

POSSIBLE = {
    'unconfigured': {Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN},
    'inactive': {
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_ACTIVATE,
        Transition.TRANSITION_INACTIVE_SHUTDOWN,
    },
    'active': {Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVE_SHUTDOWN},
    'finalized': set(),
}


def state(segmenter):
    return segmenter.node._state_machine.current_state[1]


def requests(possible):
    rng = random.Random(0)
    for number in sorted(set(range(256)) - possible):
        yield Transition(id=number)
    for _ in range(50):
        length = rng.randrange(1, 30)
        yield Transition(label=''.join(rng.choices(string.printable, k=length)))


@pytest.mark.parametrize('name', POSSIBLE)
def test_impossible_transitions_are_refused_and_the_node_lives(make_segmenter, name):
    segmenter = make_segmenter()
    if name in ('inactive', 'active'):
        segmenter.node.trigger_configure()
    if name == 'active':
        segmenter.node.trigger_activate()
    if name == 'finalized':
        segmenter.node.trigger_shutdown()
    assert state(segmenter) == name
    client = segmenter.camera.create_client(ChangeState, '/segmenter/change_state')
    segmenter.wait(client.service_is_ready, 'the service')
    for transition in requests(POSSIBLE[name]):
        answer = client.call_async(ChangeState.Request(transition=transition))
        segmenter.wait(answer.done, 'an answer')
        assert not answer.result().success, transition
        assert state(segmenter) == name

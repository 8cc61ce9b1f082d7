"""The shared-memory profile is used only where it cannot cut anybody off."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from asap_ros.nodes.fastdds_profile import PROFILE_VARIABLES, profile_variables


@pytest.mark.parametrize(
    'local', [{'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}, {'ROS_LOCALHOST_ONLY': '1'}]
)
def test_local_discovery_takes_the_profile(local):
    variables = profile_variables(local)
    assert set(variables) == set(PROFILE_VARIABLES)
    for path in variables.values():
        ElementTree.parse(Path(path))


@pytest.mark.parametrize(
    'environment',
    [
        {},
        {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'},
        *(
            {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', name: 'mine.xml'}
            for name in PROFILE_VARIABLES
        ),
    ],
)
def test_wider_discovery_and_a_profile_of_the_user_are_left_alone(environment):
    assert profile_variables(environment) == {}

"""Which Fast DDS profile the launch files switch on, and when."""

from __future__ import annotations

from collections.abc import Mapping

from asap_ros import resources

PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""The first is the name from Fast DDS 2.14 on, the second the older one; both are read."""


def profile_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that switch on config/fastdds.xml, none where it would do harm.

    It keeps all traffic on this machine, so it is left out unless discovery is limited to this
    machine as well, and it never replaces a profile that the user has set.
    """
    local = (
        environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST'
        or environment.get('ROS_LOCALHOST_ONLY') == '1'
    )
    if not local or any(name in environment for name in PROFILE_VARIABLES):
        return {}
    profile = str(resources.find('config/fastdds.xml'))
    return dict.fromkeys(PROFILE_VARIABLES, profile)

"""The version of the software, stated once, in package.xml."""

from __future__ import annotations

from xml.etree import ElementTree

from asap_ros import resources


def version() -> str:
    """Return the version, such as ``0.1.0``."""
    manifest = resources.find('package.xml')
    stated = ElementTree.parse(manifest).getroot().findtext('version')
    if stated is None:
        raise ValueError(f'{manifest} states no version')
    return stated

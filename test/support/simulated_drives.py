"""Small drives made by asap_simulation."""

from dataclasses import replace
from functools import cache

from asap_simulation import world
from asap_simulation.scenario import SCENARIOS
from asap_simulation.simulation import SimulatedCamera, Simulation

LENS = SimulatedCamera.of_size(128, 256)


@cache
def drive(name, seed=1, seconds=10.0, lens=LENS, empty=False, **changed):
    """Return a simulation; ``empty`` without anything on or beside the road."""
    made = world.build(replace(SCENARIOS[name], **changed), seed, seconds)
    if empty:
        made = replace(made, things=(), moving=())
    return Simulation(made, lens, seed)

"""The radio cell: path loss, fading, rates and least shares (formulation §4, §8).

``radio_scenarios()`` → :class:`RadioScenario` by name; ``Channel(scenario, seed)`` is what a run
asks for ``mean_snr``, ``rates`` and ``least_shares``, by request number and fading block.
"""

from edgebatch.radio.channel import Channel
from edgebatch.radio.pathloss import PATH_LOSSES, Geometry, PathLoss
from edgebatch.radio.scenario import RadioScenario, radio_scenario, radio_scenarios

__all__ = [
    "PATH_LOSSES",
    "Channel",
    "Geometry",
    "PathLoss",
    "RadioScenario",
    "radio_scenario",
    "radio_scenarios",
]

"""Three steps of training in float64, alone or under torchrun; a program for test_distributed.py.

``python float64_training_steps.py RECIPE OUT``: the losses and the weights' gradients and
values, of each of two settings of OHEM, go to OUT.
"""

import sys

import torch

from asap_ros.network import normalisation
from asap_training import distributed, recipe, training_run

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
training_run.normalise = lambda frames: normalisation.normalise(frames).double()


def main(path: str, out: str) -> None:
    chosen, tensors = recipe.load(path), {}
    torch.manual_seed(5)
    frames = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    targets = torch.randint(0, 11, (4, 64, 64))
    targets[:3, :40] = 255  # the processes see different numbers of labelled pixels
    with distributed.process_group('cpu') as device:
        share = 4 // distributed.world_size()
        own = slice(distributed.rank() * share, (distributed.rank() + 1) * share)
        for name, loss in (
            ('threshold', {'ohem_threshold': 0.7, 'ohem_min_kept_fraction': 0.01}),
            ('hardest', {'ohem_threshold': 1e-9, 'ohem_min_kept_fraction': 0.3}),
        ):
            settings = recipe.change(chosen, {'loss': loss})
            moving = training_run.TrainingRun(settings, torch.arange(1.0, 12.0), 0, device)
            for step in range(3):
                value = moving.training_step(frames[own], targets[own], 3)
                tensors[f'{name}/loss/{step}'] = value
            for key, parameter in moving.model.named_parameters():
                tensors[f'{name}/gradient/{key}'] = parameter.grad.clone()
            tensors |= {
                f'{name}/average/{k}': v for k, v in moving.average.model.state_dict().items()
            }
        if distributed.rank() == 0:
            torch.save(tensors, out)


if __name__ == '__main__':
    main(*sys.argv[1:])

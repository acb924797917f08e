"""Where an attack's random numbers come from."""

import torch


def generator_of(seed: int | None) -> torch.Generator:
    """Repeatable with a seed; None: of the operating system's randomness, which nobody can know."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator

"""CycleGAN of nine blocks and its loop in plain PyTorch, to compare with."""

default_scope = 'mmpretrain'
model = dict(type='projects.TorchCycleGAN', num_blocks=9)

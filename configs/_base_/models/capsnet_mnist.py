"""CapsNet of 3 routing iterations with its decoder, input 28, one channel."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.CapsNetClassifier',
    data_preprocessor=dict(mean=[0.0], std=[255.0]),  # pixels in [0, 1]
    backbone=dict(type='projects.CapsNet'),
    head=dict(type='projects.CapsuleHead', num_classes=10),
)

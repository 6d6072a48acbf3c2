"""GoogLeNet with batch norm, as in torchvision, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    # The published weights were trained elsewhere, on pixels from -1 to 1;
    # torchvision turns its own normalisation into that (transform_input).
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True
    ),
    backbone=dict(type='projects.GoogLeNet', aux_maps=True),
    head=dict(type='projects.GoogLeNetHead', num_classes=1000),
)

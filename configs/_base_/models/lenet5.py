"""LeNet-5 with sigmoids and average pooling, input 28, one channel."""

default_scope = 'mmpretrain'
channels_last = False  # trains 0.84 times as fast with it (README)
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(mean=[127.5], std=[127.5]),
    backbone=dict(type='projects.LeNet'),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=10,
        in_channels=16,
        pool_size=5,
        hidden_channels=(120, 84),
        act_cfg=dict(type='Sigmoid'),
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform'),
    ),
)

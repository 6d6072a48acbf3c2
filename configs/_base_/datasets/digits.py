"""digits: 1,500 handwritten digits to train on, 297 held out, 8 x 8 pixels.

They come with scikit-learn; nothing is read from ``data/``. digits_28.py and
its like set the pipelines, which enlarge the images.
"""

dataset_type = 'projects.DigitsDataset'
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=dataset_type, split='train'),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, split='val', test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='projects.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
# what a classifier of ImageNet changes for one channel and ten classes
grey_model = dict(
    data_preprocessor=dict(mean=[127.5], std=[127.5], to_rgb=False),
    backbone=dict(in_channels=1),
    head=dict(num_classes=10),
)

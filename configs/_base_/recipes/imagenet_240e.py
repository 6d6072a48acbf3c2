"""All of a run but the model: ImageNet at 224 as ShuffleNet's authors trained it.

Their images stay in BGR from 0 to 255; they are normalised here as everywhere. They
average the statistics of batch norm over one more epoch at a rate of 0, which is
left out.
"""

_base_ = [
    '../datasets/imagenet_224.py',
    '../schedules/linear_240e.py',
    '../default_runtime.py',
]
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='torchvision/ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='PILToNumpy', to_bgr=True),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
# what the recipe changes in a classifier
smoothed_model = dict(
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'))
)

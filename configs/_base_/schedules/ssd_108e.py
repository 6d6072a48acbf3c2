"""Schedule of SSD on COCO (authors' code, with expansion): 400,000 steps of 32
images, 118,287 images an epoch."""

_base_ = './ssd_232e.py'
max_epochs = 108
train_cfg = dict(max_epochs=max_epochs, val_interval=4)
param_scheduler = [
    # after 280,000 and 360,000 steps
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[76, 97],
        gamma=0.1,
    ),
]

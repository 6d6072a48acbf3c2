"""GoogLeNet as in the paper's Table 1, without batch norm, input 224."""

_base_ = './googlenet.py'
# without a norm a deviation of 0.01 leaves nothing of the signal; these are
# the values of Caffe's bvlc_googlenet
init_cfg = dict(
    type='Xavier', layer=['Conv2d', 'Linear'], distribution='uniform', bias=0.2
)
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(arch='paper', norm_cfg=None, init_cfg=init_cfg),
    head=dict(dropout=0.4, paper_pool=True, norm_cfg=None, init_cfg=init_cfg),
)

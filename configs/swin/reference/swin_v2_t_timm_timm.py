"""timm's: the keys have no bias in either."""

_base_ = './swin_v2_t_timm.py'

"""digits for generators as they are, 8 x 8: the judge enlarges what it sees.

A tenth of the arithmetic of digits_gan_32.py, whose images are these, enlarged.
"""

_base_ = './digits_gan_32.py'
pipeline = [dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
test_evaluator = dict(held_out=dict(pipeline=pipeline))

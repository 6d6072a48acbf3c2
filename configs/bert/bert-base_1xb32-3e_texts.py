"""BERT-base, fine-tuned to tell classes of texts apart, as in the paper (appendix
A.3): three epochs at 0.00002, batches of 32. Not run here.

    python tools/train.py configs/bert/bert-base_1xb32-3e_texts.py

``data/bert-base-uncased`` holds transformers' ``model.safetensors`` and
``vocab.txt``; a checkpoint of ``bert-base_8xb32-1000k_text.py`` serves as well.
"""

_base_ = [
    '../_base_/models/bert_base.py',
    '../_base_/datasets/text_folders.py',
    '../_base_/default_runtime.py',
]
pretrained = 'data/bert-base-uncased/'
model = dict(
    _delete_=True,
    type='projects.SequenceClassifier',
    init_cfg=dict(
        type='projects.Pretrained', checkpoint=pretrained + 'model.safetensors'
    ),
    backbone=dict(type='projects.BERT', vocab_size=30522),
    num_classes=None,
    dropout=0.1,
)
tokenizer = dict(_delete_=True, file=pretrained + 'vocab.txt')
train_dataloader = dict(dataset=dict(tokenizer=tokenizer))
val_dataloader = dict(dataset=dict(tokenizer=tokenizer))
test_dataloader = dict(dataset=dict(tokenizer=tokenizer))
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.00002, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(
        type='PolyLR',
        power=1,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(base_batch_size=32)

"""The small BERT on months without pre-training, for comparison: random weights, and
of ``bert-mini_1xb64-3000i_date-pairs.py`` the tokenizer alone.

    python tools/train.py configs/bert/bert-mini-random_1xb16-400i_months.py
"""

_base_ = [
    '../_base_/models/bert_mini.py',
    '../_base_/datasets/months.py',
    '../_base_/schedules/adamw_linear_iters.py',
    '../_base_/iter_runtime.py',
]
model = dict(
    _delete_=True,
    type='projects.SequenceClassifier',
    backbone={**_base_.model.backbone, 'vocab_size': None},
    num_classes=12,
)
tokenizer = dict(file='work_dirs/bert-mini_1xb64-3000i_date-pairs/iter_3000.pth')
train_dataloader = dict(dataset=dict(tokenizer=dict(_delete_=True, **tokenizer)))
val_dataloader = dict(dataset=dict(tokenizer=dict(_delete_=True, **tokenizer)))
test_dataloader = dict(dataset=dict(tokenizer=dict(_delete_=True, **tokenizer)))
train_cfg = dict(max_iters=400, val_interval=200)

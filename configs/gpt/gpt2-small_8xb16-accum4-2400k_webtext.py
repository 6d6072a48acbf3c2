"""GPT-2 small on a folder of web pages: 512 windows of 1,024 tokens an update.

    tools/dist_train.sh configs/gpt/gpt2-small_8xb16-accum4-2400k_webtext.py 8

Expects data/webtext/train, val and test, folders with a ``*.txt`` for each page, and
GPT-2's own tokenizer, vocab.json and merges.txt, in data/gpt2. The paper's WebText
was never published. All tokens are held in memory, four bytes each.

The paper gives batch, length and vocabulary (Sec. 2.3) and no more; what is not there
is from GPT-3's small model (Brown et al., "Language Models are Few-Shot Learners",
NIPS 2020, Table 2.1 and Appendix B), which has the same size: rates, decay, clipping
and 300 billion tokens, here 315. GPT-3's batch grows to its full size in the beginning.
"""

_base_ = [
    '../_base_/models/gpt2_small.py',
    '../_base_/datasets/text_files.py',
    '../_base_/iter_runtime.py',
]
length = 1024
dataset = dict(
    corpus=dict(data_root='data/webtext', train='train', val='val', test='test'),
    length=length,
    tokenizer=dict(_delete_=True, file='data/gpt2'),
)
train_dataloader = dict(batch_size=16, num_workers=4, dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dict(context=length // 2, **dataset))
# 8 processes x 16 windows x 4 batches are the 512 of an update
num_batches = 4  # of an update, in each process
max_iters = 600_000 * num_batches
warmup_iters = 700 * num_batches
train_cfg = dict(by_epoch=False, max_iters=max_iters, val_interval=20_000)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    accumulative_counts=num_batches,
    optimizer=dict(
        type='AdamW', lr=0.0006, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    ),
    # of the embeddings and of the matrices of linear layers
    paramwise_cfg=dict(flat_decay_mult=0),
    clip_grad=dict(max_norm=1),
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=warmup_iters
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.1,
        by_epoch=False,
        begin=warmup_iters,
        end=max_iters,
    ),
]
default_hooks = dict(checkpoint=dict(interval=20_000))
auto_scale_lr = dict(base_batch_size=512)

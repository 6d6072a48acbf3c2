"""Texts by class: data/texts/{train,val,test}/<class>/*.txt, to fine-tune BERT on."""

corpus = dict(
    type='projects.TextFolders',
    data_root='data/texts',
    train='train',
    val='val',
    test='test',
)
tokenizer = dict(kind='wordpiece', vocab_size=30522)
dataset = dict(
    type='projects.LabelledTextDataset',
    corpus=corpus,
    tokenizer=tokenizer,
    max_length=128,
)
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(split='train', **dataset),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', **dataset),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', **dataset),
)
val_evaluator = dict(type='projects.Accuracy')
test_evaluator = val_evaluator

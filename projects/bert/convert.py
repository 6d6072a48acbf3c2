"""Other names for the weights of BERT: transformers', of all its years."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from projects.bert.bert import BERT
from projects.core.weights import (
    ConvertedStateDict,
    RenamingRules,
    backbone_of,
    register_converter,
    rename,
    renamed_weights,
)

WORDS = 'backbone.embeddings.word_embeddings.weight'
POSITIONS = 'backbone.embeddings.position_ids'
BIAS = 'cls.predictions.bias'
# copies that the file's model holds of a weight, by their names
COPIES = {
    'cls.predictions.decoder.weight': WORDS,
    'cls.predictions.decoder.bias': BIAS,
}
# of the authors' TensorFlow, also in the first published files of transformers
OLD = {'.LayerNorm.gamma': '.LayerNorm.weight', '.LayerNorm.beta': '.LayerNorm.bias'}
RULES: RenamingRules = (
    (r'bert\.', 'backbone.'),
    (r'(embeddings|encoder|pooler)\.', r'backbone.\1.'),
    (r'classifier\.', 'head.'),
)


@register_converter
def convert_bert(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of transformers' ``BertModel``, ``BertForPreTraining``,
    ``BertForMaskedLM`` and ``BertForSequenceClassification``, into a whole model or
    into the encoder alone.

    The output matrix, which is that of the embeddings, and the positions' numbers
    stand in some files as copies. They are left out where they are true copies, and
    else refused as names that the model does not have.
    """
    backbone, prefix = backbone_of(model, BERT)
    if backbone is None:
        return None
    renamed = {}
    for old, new in rename(state_dict, RULES).items():
        for end, new_end in OLD.items():
            if new.endswith(end):
                new = new.removesuffix(end) + new_end
        renamed[old] = new
    converted = renamed_weights(state_dict, renamed)
    weights = converted.state_dict
    for copy, original in COPIES.items():
        if copy in weights and original in weights:
            if torch.equal(weights[copy], weights[original]):
                del weights[copy]
        elif copy in weights:  # a file that holds the copy alone
            weights[original] = weights.pop(copy)
            converted.renamed[original] = copy
    if POSITIONS in weights:
        positions = weights[POSITIONS].flatten()
        if positions.tolist() == list(range(len(positions))):
            del weights[POSITIONS]
    if not prefix:
        converted.state_dict = {
            name.removeprefix('backbone.'): w for name, w in weights.items()
        }
        converted.renamed = {
            new.removeprefix('backbone.'): old
            for new, old in converted.renamed.items()
            if new.removeprefix('backbone.') != old
        }
    changed = converted.renamed or len(converted.state_dict) != len(state_dict)
    return converted if changed else None

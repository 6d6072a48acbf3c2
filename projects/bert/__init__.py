"""BERT: an encoder pre-trained on text without labels, then fine-tuned."""

from projects.bert.bert import BERT
from projects.bert.pretraining import BERTForPreTraining

__all__ = ['BERT', 'BERTForPreTraining']

"""BERT: an encoder pre-trained on text without labels, then fine-tuned."""

from projects.bert.bert import BERT
from projects.bert.convert import convert_bert
from projects.bert.datasets import MaskedPairDataset, NextSentenceDataset
from projects.bert.masking import Masking, words_of
from projects.bert.pretraining import BERTForPreTraining

__all__ = [
    'BERT',
    'BERTForPreTraining',
    'MaskedPairDataset',
    'Masking',
    'NextSentenceDataset',
    'convert_bert',
    'words_of',
]

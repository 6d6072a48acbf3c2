"""Recurrent encoder-decoders, with attention and without."""

from projects.seq2seq.attention import AdditiveAttention, MultiplicativeAttention
from projects.seq2seq.seq2seq import Seq2Seq

__all__ = ['AdditiveAttention', 'MultiplicativeAttention', 'Seq2Seq']

"""GPT: a Transformer that predicts the next token of a text."""

from projects.gpt.convert import convert_gpt
from projects.gpt.gpt import GPT, GPTArch

__all__ = ['GPT', 'GPTArch', 'convert_gpt']

"""Batches of sequences of different lengths."""

from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from projects.core.tasks.language.backbones import IGNORE
from projects.registry import MODELS

#: what stands behind a sequence; no model looks at it
PAD = 0
LENGTHS = dict(tokens='lengths', target='target_lengths')


@MODELS.register_module()
class TextDataPreprocessor(BaseDataPreprocessor):
    """Makes tensors of a batch, and moves them to the model's device.

    From a data loader's ``pseudo_collate`` come lists: ``inputs`` is a dict of
    lists of (T,) tensors, ``data_samples`` a dict of lists. They become

    - ``inputs``: (B, T) tensors, padded with 0 at their ends; beside ``tokens``
      stands ``lengths`` and beside ``target`` ``target_lengths``, (B,), only
      where there is padding;
    - ``data_samples``: ``labels`` (B, T), padded with -100, or (B,) where each
      sequence has one; the rest as it came.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        data = self.cast_data(data)
        inputs, samples = {}, dict(data.get('data_samples') or {})
        for name, sequences in data['inputs'].items():
            inputs[name] = pad_sequence(sequences, batch_first=True, padding_value=PAD)
            if name in LENGTHS and len({len(s) for s in sequences}) > 1:
                lengths = [len(s) for s in sequences]
                inputs[LENGTHS[name]] = inputs[name].new_tensor(lengths)
        for name, values in samples.items():
            if values and all(isinstance(value, Tensor) for value in values):
                samples[name] = pad_sequence(
                    [v.reshape(-1) for v in values], True, IGNORE
                )
                if all(value.dim() == 0 for value in values):
                    samples[name] = samples[name].squeeze(1)
        return dict(inputs=inputs, data_samples=samples)

"""Published classifiers: torchvision's and timm's names in a classifier of
ours, whose backbone keeps them and whose head is a part of its own."""
from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.weights.loading import Translation, register_layout

# what torchvision, timm and others call the final layer
FINAL_LAYERS = ('classifier', 'fc', 'head', 'head.fc', 'last_linear')


@register_layout
def read_published_classifier(
        model: nn.Module,
        state_dict: Mapping[str, Tensor]) -> Translation | None:
    """Add 'backbone.' or 'head.' to a name, or take the final layer's."""
    wanted = model.state_dict()
    if any(name.startswith(('backbone.', 'head.')) and name in wanted
           for name in state_dict):
        return None
    heads = {name.rpartition('.')[0] for name in wanted
             if name.startswith('head.')}
    renamed = {}
    for name, weight in state_dict.items():
        layer, _, kind = name.rpartition('.')
        new = [n for n in (f'backbone.{name}', f'head.{name}') if n in wanted]
        if not new and layer in FINAL_LAYERS and len(heads) == 1:
            new = [f'{next(iter(heads))}.{kind}']
        renamed[new[0] if new else name] = weight
    if not any(name.startswith('backbone.') for name in renamed):
        return None
    return Translation(renamed, [])

"""Imports that the libraries attempt and a model does without.

``mmpretrain.models`` tries to import mmdet for the sake of one layer,
``ResLayerExtraNorm``; ``mmdet.models`` tries to import mmpretrain for its models of
re-identification. Where transformers is installed, mmengine imports it for one
optimiser, mmdet for GLIP and Grounding DINO, and mmpretrain for its multimodal
models, which do not import beside transformers 5. Each goes without where the other
is not installed, and each takes a second or two. So none of it is imported, unless
the config names one of these few or the other library is there already.

mmpretrain decides once for each process: where it has been imported without its
multimodal part, the names of its multimodal models stand for an error. Who builds
such a model without a config imports ``mmpretrain.models`` before this package.
"""

import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

# what is refused while which module is being imported, and who needs it all the same
DETOURS = {
    'mmdet': {'mmpretrain.models': r'ResLayerExtraNorm'},
    'mmpretrain': {'mmdet.models': r'\w*ReID\w*'},
    'transformers': {
        'mmengine.optim.optimizer.builder': r'Adafactor',
        'mmdet.models': r'GLIP|GroundingDINO\w*|BertModel|ATSSVLFusion\w+|VLFuse',
        'mmdet.datasets': r'RandomSamplingNegPos|LoadTextAnnotations',
    },
}
# what says whether mmpretrain imports its multimodal part, and who is in this
SWITCH = 'mmpretrain.utils.dependency'
MULTIMODAL = (
    r'Blip\w+|ChineseCLIP|CLIP|CLIPZeroShot|Flamingo\w*|Llava|MiniGPT4\w*|OFA\w*|Otter'
    r'|RAM\w*|COCO(Caption|Retrieval|VQA)|Flickr30k\w+|GQA|IconQA|InfographicVQA'
    r'|NoCaps|OCRVQA|RefCOCO|ScienceQA|TextVQA|VisualGenomeQA|VizWiz|VSR'
)


class SwitchedOff(SourceFileLoader):
    """Loads :data:`SWITCH`, and answers no for it."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.WITH_MULTIMODAL = False


class DetourFinder(MetaPathFinder):
    """Refuses the imports of :data:`DETOURS`, and finds nothing but the switch."""

    def __init__(self) -> None:
        self.allowed: set[str] = set()

    def find_spec(self, fullname, path, target=None) -> ModuleSpec | None:
        if fullname in self.allowed:
            return None
        if fullname == SWITCH:
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = SwitchedOff(fullname, spec.origin)
            return spec
        for importer in DETOURS.get(fullname, ()):
            spec = getattr(sys.modules.get(importer), '__spec__', None)
            if getattr(spec, '_initializing', False):
                raise ModuleNotFoundError(
                    f'{importer} does without {fullname}', name=fullname
                )
        return None


def install() -> None:
    """Refuse the detours from now on; again does nothing."""
    if not any(isinstance(finder, DetourFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, DetourFinder())


def allow_for(types: set[str]) -> None:
    """Allow the detours that one of these types of a config needs."""

    def named(pattern: str) -> bool:
        return any(re.fullmatch(rf'(\w+\.)*({pattern})', type_) for type_ in types)

    allowed = {
        name for name, users in DETOURS.items() if any(map(named, users.values()))
    }
    if named(MULTIMODAL):
        allowed.add(SWITCH)
    for finder in sys.meta_path:
        if isinstance(finder, DetourFinder):
            finder.allowed |= allowed
    # imported with the runner, before it read a config
    builder = sys.modules.get('mmengine.optim.optimizer.builder')
    if builder and named('Adafactor') and 'Adafactor' not in builder.OPTIMIZERS:
        builder.register_transformers_optimizers()

"""ShuffleNet V1 and V2: cheap 1x1 convolutions, and channels that change places."""

from projects.shufflenet.convert import convert_shufflenet
from projects.shufflenet.initialisation import ReciprocalNormal
from projects.shufflenet.v1 import ShuffleNetV1, ShuffleUnit
from projects.shufflenet.v2 import InvertedResidual, ShuffleNetV2

__all__ = [
    'InvertedResidual',
    'ReciprocalNormal',
    'ShuffleNetV1',
    'ShuffleNetV2',
    'ShuffleUnit',
    'convert_shufflenet',
]

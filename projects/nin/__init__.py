"""Network in Network: 1 x 1 convolutions and an average for linear layers
(Lin, Chen, Yan, 2013)."""

from projects.nin.head import NiNHead
from projects.nin.nin import NiN

__all__ = ['NiN', 'NiNHead']

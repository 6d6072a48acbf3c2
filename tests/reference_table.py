"""What is published of each variant: resources/architectures.json.

Names there that are no variant's: a width has a dot, and MobileNetV1 has an entry
for each resolution of a width.
"""

import json
import re
from pathlib import Path

FILE = Path(__file__).parents[1] / 'resources/architectures.json'


def variant_of(entry: str) -> str:
    """The variant's name for an entry's."""
    match = re.fullmatch(r'(mobilenet_v1_x)([\d.]+)_\d+', entry)
    if match:
        entry = f'{match[1]}{float(match[2])}'
    return entry.replace('.', '_')


# by variant; of MobileNetV1 the entry of its largest input, which comes first
TABLE: dict[str, dict] = {}
for name, figures in json.loads(FILE.read_text()).items():
    TABLE.setdefault(variant_of(name), figures)

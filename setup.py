"""MMAtlas: deep-learning architectures as plugins of the OpenMMLab stack.

A wheel carries ``configs/`` and ``tools/`` below ``projects/.mim``, where the
OpenMMLab tools look for them; an editable install reads the checkout itself.
"""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
VERSION = re.search(
    r"__version__ = '(.+)'", (ROOT / 'projects/__init__.py').read_text()
)[1]

# The onedl-* forks are the maintained continuations of mmengine, mmcv, mmdet
# and mmpretrain, under the same import names.
DEPENDENCIES = [
    'torch>=2.7',
    'torchvision>=0.22',
    'onedl-mmengine>=0.10.12',
    'onedl-mmcv>=2.3.6',
    'onedl-mmdetection>=3.5.1',
    'onedl-mmpretrain>=1.3.6',
    'numpy>=2',
    'pycocotools>=2.0.8',
    # pycocotools' numbers, several times as fast
    'faster-coco-eval>=1.6',
    'scikit-learn>=1.3',
    'filelock>=3',
    'tokenizers>=0.21',
    'Babel>=2.14',
    'sacrebleu>=2.4',
    'torchmetrics>=1.4',
    # the charts of a run's page; it needs no network and no browser
    'vl-convert-python>=1.7',
    # heat maps; near-duplicates among images
    'grad-cam>=1.5',
    'ImageHash>=4.3',
]
EXPORT = ['onnx>=1.18', 'onnxruntime>=1.20', 'onnxscript>=0.3']
# where else the curves of a run can be looked at
TRACKERS = ['tensorboard>=2.16', 'wandb>=0.19', 'mlflow-skinny>=2.20']
# the Inception network of Frechet distances, by a file of the user's
FID = ['torch-fidelity>=0.3']
# setuptools: a test builds the wheel in the environment that is there
TESTS = [
    *EXPORT,
    *TRACKERS,
    'hypothesis>=6.100',
    # of what the pages consist, in both languages
    'markdown-it-py>=3',
    # drives a Chromium of the system, where there is one
    'playwright>=1.45',
    'pytest>=8',
    'pytest-xdist>=3.5',
    'ruff>=0.17,<0.18',
    'safetensors>=0.4',
    'setuptools>=70.1',
    'timm>=1.0.20',
    # 5 breaks the multimodal part that onedl-mmpretrain imports
    'transformers>=4.53,<5',
]


class BuildWithConfigsAndTools(build_py):
    """Copies ``configs`` and ``tools`` into ``projects/.mim`` of a wheel."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder in ('configs', 'tools'):
            target = Path(self.build_lib, 'projects', '.mim', folder)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(
                ROOT / folder, target, ignore=shutil.ignore_patterns('__pycache__')
            )


setup(
    name='mmatlas',
    version=VERSION,
    description='An atlas of deep-learning architectures on OpenMMLab',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.10',
    packages=find_packages(include=['projects', 'projects.*']),
    package_data={'': ['*.md', '*.html', '*.css', '*.js']},
    install_requires=DEPENDENCIES,
    extras_require=dict(
        tests=TESTS,
        fid=FID,
        export=EXPORT,
        trackers=TRACKERS,
        all=[*TESTS, *FID],
    ),
    cmdclass=dict(build_py=BuildWithConfigsAndTools),
)

"""Turn a trained RepVGG into the plain network that computes the same.

    python tools/model_converters/reparameterize.py IN.pth OUT.pth

Each block's three branches become one 3x3 convolution. OUT.pth holds its own
config; tools/infer.py takes it as it is, tools/test.py with
--cfg-options model.backbone.deploy=True.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='checkpoint to write')
    parser.add_argument(
        '--config',
        help='config file or variant, for a checkpoint without a config, such as '
        "the authors' and timm's",
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.repvgg.reparameterize:reparameterize', **options)


if __name__ == '__main__':
    main()

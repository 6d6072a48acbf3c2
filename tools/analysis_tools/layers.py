"""Print a table of a model's layers: shapes, parameters, operations, memory.

    python tools/analysis_tools/layers.py resnet18
    python tools/analysis_tools/layers.py resnet18 --depth 4 --csv resnet18.csv
    python tools/analysis_tools/layers.py gpt2_small --input-size 256

For one input, without computing anything. Parameters and MACs are those of the
project's reference table.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'model',
        help='config, name of a variant or of a library model '
        '(torchvision.resnet18), or checkpoint',
    )
    parser.add_argument(
        '--input-size',
        type=int,
        nargs='+',
        metavar='N',
        help='height and width of an image, or length of a sequence '
        '(default: what the model is for)',
    )
    parser.add_argument(
        '--depth',
        type=int,
        default=2,
        metavar='N',
        help='levels of modules that are shown (default: 2)',
    )
    parser.add_argument(
        '--csv', metavar='FILE', help='also write all levels, with exact numbers'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings over those of the config',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    if len(options['input_size'] or ()) == 1:
        options['input_size'] = options['input_size'][0]
    from projects.core.cli import run_tool

    run_tool('projects.core.insight.layers:layers', **options)


if __name__ == '__main__':
    main()

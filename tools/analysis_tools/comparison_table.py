"""The speed table of a plugin's page: each variant beside other libraries'.

    python tools/analysis_tools/comparison_table.py resnet --out work_dirs/resnet

Each variant takes turns with torchvision's, timm's, transformers' and mmpretrain's
model of the same name and with ``configs/*/reference/<variant>_<library>.py``, as far
as they are there. A second call goes on where the first ended.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Measure variants beside other libraries; a Markdown table.'
    )
    parser.add_argument(
        'names', nargs='+', metavar='NAME', help='a plugin, or names of variants'
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='for table.md and all numbers'
    )
    for name, default, what in (
        ('batch-size', 4, 'images a step'),
        ('iters', 12, 'timed iterations'),
        ('warmup', 2, 'iterations before them'),
        ('objects', 5, 'objects in each image'),
    ):
        parser.add_argument(
            f'--{name}',
            type=int,
            default=default,
            metavar='N',
            help=f'{what} (default: {default})',
        )
    parser.add_argument(
        '--input-size',
        type=int,
        nargs='+',
        metavar='N',
        help='height and width in pixels, or tokens of a text (default: what each '
        'variant is made for)',
    )
    parser.add_argument(
        '--threads', type=int, metavar='N', help="threads on the CPU (default: torch's)"
    )
    parser.add_argument(
        '--device', choices=['cpu', 'cuda'], help='default: a GPU where there is one'
    )
    parser.add_argument('--dtype', default='float32', choices=['float32', 'bfloat16'])
    parser.add_argument(
        '--cfg-options', nargs='+', metavar='KEY=VALUE', help='of both sides'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    run_tool('projects.core.benchmark.comparison:compare', **vars(args))


if __name__ == '__main__':
    main()

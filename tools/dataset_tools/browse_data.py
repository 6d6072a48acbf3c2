"""Look at data as a model gets them: before and after augmentation, step by step.

    python tools/dataset_tools/browse_data.py \\
        configs/ssd/ssd-mini_1xb16-22e_digits-coco.py
    python tools/dataset_tools/browse_data.py \\
        configs/ssd/ssd-mini_1xb16-22e_digits-coco.py --steps --index 7

Images become contact sheets with their boxes and classes, texts tables of tokens.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='run config')
    parser.add_argument(
        '--split',
        default='train',
        choices=('train', 'val', 'test'),
        help='data to look at (default: train)',
    )
    parser.add_argument(
        '--num', type=int, metavar='N', help='samples (default: 6, with --steps 1)'
    )
    parser.add_argument(
        '--index',
        type=int,
        nargs='+',
        metavar='I',
        help='numbers of samples, from 0, in place of --num',
    )
    parser.add_argument(
        '--draws',
        type=int,
        metavar='N',
        help='draws of the augmentation of each (default: 3 of the training data)',
    )
    parser.add_argument(
        '--steps',
        action='store_true',
        help='draw each step of the pipeline, with its settings and what it changes',
    )
    parser.add_argument('--seed', type=int, default=0, help='of all draws (default: 0)')
    parser.add_argument(
        '--out-dir',
        metavar='FOLDER',
        help="folder to write to (default: browse/<config's name>)",
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
    from projects.core.cli import run_tool

    run_tool('projects.core.insight.browse_data:browse_data', **options)


if __name__ == '__main__':
    main()

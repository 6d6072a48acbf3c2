"""All architectures side by side, trained here: one page.

    python tools/atlas.py
    python tools/atlas.py 'resnet*digits' 'lenet*digits' --jobs 2

What is below --work-dirs already is taken up. Without a config all that train on
digits and digits-coco are meant, which takes hours on two cores.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Train architectures and lay them side by side.'
    )
    parser.add_argument(
        'configs',
        nargs='*',
        metavar='CONFIG',
        help="config files, or patterns of names such as 'resnet*' (default: all "
        'on digits and digits-coco)',
    )
    parser.add_argument(
        '--work-dirs',
        default='work_dirs',
        metavar='DIR',
        help='folder of the work dirs (default: work_dirs)',
    )
    parser.add_argument(
        '-o',
        '--out',
        metavar='FILE.html',
        help='the page (default: atlas.html in that folder)',
    )
    parser.add_argument(
        '--jobs', type=int, default=1, metavar='N', help='trainings at a time'
    )
    parser.add_argument(
        '--no-train', action='store_true', help='take up what is there, train nothing'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    run_tool(
        'projects.core.benchmark.atlas:atlas',
        configs=args.configs,
        work_dirs=args.work_dirs,
        out=args.out,
        jobs=args.jobs,
        train=not args.no_train,
    )


if __name__ == '__main__':
    main()

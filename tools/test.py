"""Evaluate a checkpoint by the metric of its config.

    python tools/test.py CONFIG CHECKPOINT --out results.json

What was found beside the metrics, as tables, charts and one JSON, goes to the
work dir's test_evaluation, and with --out to results_evaluation too.
Of a classifier it also writes which class is taken for which, and how well
each is found: confusion_matrix.png, confusion_matrix.csv, classes.csv.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help="logs, and a classifier's tables of classes (default: work_dirs/NAME)",
    )
    parser.add_argument(
        '--out',
        metavar='FILE.json',
        help='detections in the COCO results format; of a '
        'classifier the five best classes of each image',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='a picture of each image with its detections; '
        'of a classifier of each image that it gets wrong, '
        'the surest mistakes first, at most 500',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: merge the predictions of several views of each '
        'image, those of tta_pipeline in the config, else flipped and enlarged ones '
        'where the training has such',
    )
    parser.add_argument(
        '--launcher', default='none', choices=['none', 'pytorch', 'slurm', 'mpi']
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings over those of the config',
    )
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS
    )  # of some launchers
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    run_tool(
        'projects.core.engine:evaluate',
        config=args.config,
        checkpoint=args.checkpoint,
        work_dir=args.work_dir,
        out=args.out,
        show_dir=args.show_dir,
        launcher=args.launcher,
        cfg_options=args.cfg_options,
        tta=args.tta,
    )


if __name__ == '__main__':
    main()

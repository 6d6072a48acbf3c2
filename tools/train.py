"""Train a model as a config says.

python tools/train.py configs/yolov1/yolov1-mini_1xb16-15e_digits-coco.py
python tools/train.py configs/lenet/lenet5-modern_1xb64-20e_digits.py
python tools/train.py configs/lenet/lenet5-modern_1xb64-20e_digits.py --repeat 3
python tools/train.py configs/ssd/ssd-mini_1xb16-22e_digits-coco.py --overfit 8
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='logs and checkpoints (default: work_dirs/NAME)',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const=True,
        default=False,
        metavar='PATH',
        help='go on from this checkpoint, or from the newest of the work dir',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision (needs a GPU)'
    )
    parser.add_argument('--seed', type=int, help="default: the config's, or 0")
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        '--repeat',
        type=int,
        metavar='N',
        help='train with N seeds, each in DIR/seed_S, and sum up the metrics',
    )
    several.add_argument(
        '--folds',
        type=int,
        metavar='K',
        help='cross-validate: hold out one of K folds of the training data, for each',
    )
    several.add_argument(
        '--overfit',
        type=int,
        metavar='N',
        help='train on N samples alone until the model knows them, to find mistakes',
    )
    parser.add_argument(
        '--patience',
        type=int,
        metavar='N',
        help='end after N validations in which the best metric did not improve',
    )
    parser.add_argument(
        '--tensorboard',
        action='store_true',
        help='also write the curves for TensorBoard, to WORK_DIR/tensorboard',
    )
    parser.add_argument(
        '--overfit-steps',
        type=int,
        default=1000,
        metavar='STEPS',
        help='most steps of --overfit (default: 1000)',
    )
    parser.add_argument(
        '--deterministic', action='store_true', help='deterministic algorithms only'
    )
    parser.add_argument(
        '--no-auto-scale-lr',
        action='store_true',
        help='keep the learning rate, whatever the batch size',
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

    options = dict(
        config=args.config,
        work_dir=args.work_dir,
        resume=args.resume,
        amp=args.amp,
        seed=args.seed,
        deterministic=args.deterministic,
        auto_scale_lr=not args.no_auto_scale_lr,
        launcher=args.launcher,
        cfg_options=args.cfg_options,
        patience=args.patience,
        tensorboard=args.tensorboard,
    )
    if args.overfit is not None:
        run_tool(
            'projects.core.diagnosis.overfit:overfit',
            samples=args.overfit,
            steps=args.overfit_steps,
            **options,
        )
    elif args.repeat is not None:
        run_tool('projects.core.engine:repeat', times=args.repeat, **options)
    elif args.folds is not None:
        run_tool('projects.core.engine:cross_validate', folds=args.folds, **options)
    else:
        run_tool('projects.core.engine:train', **options)


if __name__ == '__main__':
    main()

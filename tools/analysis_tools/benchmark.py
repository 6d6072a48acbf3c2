r"""Measure the parts of a step, of one config or of two side by side.

python tools/analysis_tools/benchmark.py yolov1_tiny --batch-size 8
python tools/analysis_tools/benchmark.py yolov1_tiny yolov1_fast
python tools/analysis_tools/benchmark.py --as-run \
    resnet18 mmpretrain::resnet/resnet18_8xb32_in1k.py [CONFIG OTHER ...]
"""

import argparse

NOT_AS_RUN = ('channels_last', 'compile', 'data', 'dtype')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Measure the parts of a training step and of a '
        'prediction: medians in ms, images per second and peak memory.'
    )
    parser.add_argument(
        'config',
        help='config file, or name of a model; torchvision.resnet18 and '
        "timm.resnet18 are those libraries', mmdet::PATH is a config of a wheel",
    )
    parser.add_argument(
        'other',
        nargs='?',
        metavar='OTHER',
        help='a second one; they take turns in one process',
    )
    parser.add_argument(
        'more', nargs='*', metavar='CONFIG OTHER', help='further pairs, for --as-run'
    )
    parser.add_argument(
        '--as-run',
        action='store_true',
        help='compare whole steps as the tools run them, the second of each pair as '
        "its library's, without channels-last and folded batch norm; a Markdown table",
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help="images a step (default: the config's, or 8)",
    )
    parser.add_argument(
        '--iters',
        type=int,
        default=20,
        metavar='N',
        help='timed iterations (default: 20)',
    )
    parser.add_argument(
        '--warmup',
        type=int,
        default=3,
        metavar='N',
        help='iterations before them (default: 3)',
    )
    parser.add_argument(
        '--input-size',
        type=int,
        nargs='+',
        metavar='N',
        help="height and width of images (default: the test pipeline's, else what the "
        'variant is made for)',
    )
    parser.add_argument(
        '--objects',
        type=int,
        default=5,
        metavar='N',
        help='objects in each image (default: 5)',
    )
    parser.add_argument(
        '--device', choices=['cpu', 'cuda'], help='default: a GPU where there is one'
    )
    parser.add_argument(
        '--threads', type=int, metavar='N', help="threads on the CPU (default: torch's)"
    )
    parser.add_argument(
        '--dtype',
        default='float32',
        choices=['float32', 'bfloat16'],
        help='bfloat16: by autocast',
    )
    parser.add_argument(
        '--channels-last',
        action=argparse.BooleanOptionalAction,
        help='weights in that memory format (default: as tools/train.py would)',
    )
    parser.add_argument(
        '--compile', action='store_true', help='torch.compile the network'
    )
    parser.add_argument(
        '--data',
        action='store_true',
        help='insist on the time to draw a training batch; '
        'without it, taken where the data is there',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings over those of each config',
    )
    parser.add_argument('--out', metavar='FILE.json', help='write all numbers')
    args = parser.parse_args()
    for key in NOT_AS_RUN:
        if args.as_run and getattr(args, key) != parser.get_default(key):
            parser.error(f'--as-run says how it runs, so leave out --{key}')
    return args


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    options = vars(args)
    configs = [options.pop('config'), options.pop('other'), *options.pop('more')]
    function = 'projects.core.benchmark:benchmark'
    if options.pop('as_run'):
        function = 'projects.core.benchmark.as_run:compare_runs'
        for key in NOT_AS_RUN:
            options.pop(key)
    run_tool(function, [config for config in configs if config is not None], **options)


if __name__ == '__main__':
    main()

"""Measure the parts of a step, of one config or of two side by side.

python tools/analysis_tools/benchmark.py yolov1_tiny --batch-size 8
python tools/analysis_tools/benchmark.py yolov1_tiny yolov1_fast
"""

import argparse


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
        '--channels-last', action='store_true', help='weights in that memory format'
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
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    options = vars(args)
    configs = [options.pop('config'), options.pop('other')]
    run_tool(
        'projects.core.benchmark:benchmark',
        [config for config in configs if config is not None],
        **options,
    )


if __name__ == '__main__':
    main()

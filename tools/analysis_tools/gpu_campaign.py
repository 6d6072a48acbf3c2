"""Run all that waits for a GPU: its tests, and the speed of all models.

    python tools/analysis_tools/gpu_campaign.py --out work_dirs/gpu --minutes 25

``report.md`` and ``report.json`` in the folder are whole at every moment; the same
command with the same folder goes on where it ended.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='The tests marked for a GPU; the rate of matrix products; '
        'inputs per second and memory of all models beside other libraries. The '
        'most important first, and what was not reached is listed.'
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='nothing is written elsewhere'
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=25,
        metavar='N',
        help='wall-clock time of the whole (default: 25)',
    )
    parser.add_argument(
        '--models',
        nargs='+',
        metavar='NAME',
        help='variants, the most important first (default: all)',
    )
    parser.add_argument(
        '--sections',
        nargs='+',
        choices=['tests', 'rates', 'models'],
        help='default: all three',
    )
    parser.add_argument(
        '--device', choices=['cpu', 'cuda'], help='default: a GPU where there is one'
    )
    parser.add_argument(
        '--tiny',
        action='store_true',
        help='a trial of the campaign itself: two small batches of 32 x 32',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    run_tool('projects.core.benchmark.campaign:campaign', **vars(args))


if __name__ == '__main__':
    main()

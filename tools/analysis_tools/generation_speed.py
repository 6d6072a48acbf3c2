"""How long a language model takes to write, beside transformers' of the same weights.

python tools/analysis_tools/generation_speed.py gpt2_small
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write texts greedily, in turns with transformers.'
    )
    parser.add_argument('name', help='a variant that transformers has')
    parser.add_argument(
        '--num-tokens',
        type=int,
        default=256,
        metavar='N',
        help='tokens of a text (default: 256)',
    )
    parser.add_argument(
        '--repeats',
        type=int,
        default=3,
        metavar='N',
        help='texts of each side (default: 3)',
    )
    parser.add_argument(
        '--threads', type=int, metavar='N', help="threads on the CPU (default: torch's)"
    )
    parser.add_argument('--out', metavar='FILE', help='all numbers, JSON')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from projects.core.cli import run_tool

    run_tool(
        'projects.core.tasks.language.generation_speed:compare_generation',
        **vars(args),
    )


if __name__ == '__main__':
    main()

"""Show versions, clashes and what is missing: one text to paste into a question.

    python tools/misc/collect_env.py

It holds no secrets, and says ~ for the home folder. The status is 1 if something is
broken. It works where torch cannot be imported.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Show the environment, what is wrong with it and what to do.'
    )
    parser.add_argument(
        '--json', dest='as_json', action='store_true', help='JSON instead of a text'
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.diagnosis.environment:collect_env', **options)


if __name__ == '__main__':
    main()

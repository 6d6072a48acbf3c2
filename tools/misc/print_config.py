"""Show a config as it runs: where each value comes from, and what reads it.

    python tools/misc/print_config.py CONFIG
    python tools/misc/print_config.py CONFIG --explain train_dataloader.dataset.pipeline
    python tools/misc/print_config.py CONFIG --diff OTHER

CONFIG and OTHER may be a checkpoint, or the work dir of a run, too.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Show a config as it runs, with the file and line of each value.'
    )
    parser.add_argument('config', help='config file, checkpoint or work dir of a run')
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument(
        '--explain',
        metavar='KEY',
        help='what set this entry in turn, and what reads it, as in model.backbone',
    )
    one_of.add_argument(
        '--diff', metavar='OTHER', help='what another config sets otherwise'
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

    run_tool('projects.core.diagnosis.print_config:print_config', **options)


if __name__ == '__main__':
    main()

"""Draw what a Vision Transformer attends to in an image.

    python tools/analysis_tools/draw_attention.py \\
        configs/vit/vit-mini_1xb64-100e_digits.py \\
        work_dirs/vit-mini_1xb64-100e_digits/epoch_100.pth seven.png --rollout

For models whose tokens are the patches of one grid, computed by
projects.core.layers.ScaledDotProductAttention: projects.VisionTransformer.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Draw, head by head, a block's attention over an image."
    )
    parser.add_argument('config', help='run config of a Vision Transformer')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('image', help='image file')
    parser.add_argument(
        '--out',
        default='attention',
        metavar='FOLDER',
        help='folder for the pictures (default: attention)',
    )
    parser.add_argument(
        '--block',
        type=int,
        default=-1,
        metavar='N',
        help='encoder block, from 0; -1 is the last (default: -1)',
    )
    parser.add_argument(
        '--rollout',
        action='store_true',
        help='also draw the attention traced through all blocks',
    )
    parser.add_argument(
        '--query',
        type=int,
        nargs=2,
        metavar=('ROW', 'COLUMN'),
        help='draw the attention of this patch, from 0 (default: of the class token)',
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

    run_tool('projects.core.tasks.attention_maps:draw_attention', **options)


if __name__ == '__main__':
    main()

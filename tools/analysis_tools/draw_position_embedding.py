"""Draw which patches have similar position embeddings in a Vision Transformer.

    python tools/analysis_tools/draw_position_embedding.py \\
        configs/vit/vit-mini_1xb64-100e_digits.py \\
        work_dirs/vit-mini_1xb64-100e_digits/epoch_100.pth --size 48 80
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw the similarity of position embeddings, also after '
        'they are resized.'
    )
    parser.add_argument('config', help='run config of a Vision Transformer')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='also draw them for images of so many pixels',
    )
    parser.add_argument(
        '--out',
        default='positions.png',
        metavar='FILE',
        help='picture to write (default: positions.png)',
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

    run_tool('projects.vit.draw_positions:draw_positions', **options)


if __name__ == '__main__':
    main()

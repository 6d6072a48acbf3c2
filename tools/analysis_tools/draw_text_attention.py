"""Draw what a model attends to in a text.

    python tools/analysis_tools/draw_text_attention.py \\
        work_dirs/RUN/best.pth "3 juillet 2021" --out attention.png

For models of text whose backbone has attention. One that reads a text and writes
another is asked what it writes; one that knows pairs takes two texts.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw the attention of layers and heads, tokens as labels.'
    )
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument('texts', nargs='+', metavar='text', help='a text, or a pair')
    parser.add_argument(
        '--out',
        default='attention.png',
        metavar='FILE',
        help='PNG file to write (default: attention.png)',
    )
    parser.add_argument(
        '--layer',
        dest='layers',
        action='append',
        metavar='NAME',
        help="such as 'encoder 0' or 'decoder to encoder 1'; may be given several "
        'times (default: the last one of each kind)',
    )
    parser.add_argument(
        '--heads',
        nargs='*',
        type=int,
        metavar='N',
        help='heads, from 0; without numbers all of them (default: their mean)',
    )
    return parser.parse_args()


def draw(checkpoint: str, **options) -> None:
    from projects.core.engine.inference import load_model
    from projects.core.quiet import quiet_libraries
    from projects.core.tasks.language.attention_pictures import draw_text_attention

    quiet_libraries()
    model, _, meta = load_model(checkpoint)
    draw_text_attention(model, meta, **options)


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool(draw, **options)


if __name__ == '__main__':
    main()

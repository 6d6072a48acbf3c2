"""Make digits-coco, handwritten digits on clutter, at any size.

    python tools/dataset_tools/make_digits_coco.py data/hard --difficulty 0.9

The folder is what ``data_root`` in configs/_base_/datasets/digits_coco.py
names. Nothing is downloaded. A folder that holds the same set is left alone.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out_dir', help='folder to make, absent or empty')
    parser.add_argument('--num-train', type=int, help='training images, 2000')
    parser.add_argument('--num-val', type=int, help='validation images, 300')
    parser.add_argument(
        '--image-size', type=int, help='side of the square images in pixels, 224'
    )
    parser.add_argument(
        '--min-size', type=int, help='least longer side of a box in pixels, 16'
    )
    parser.add_argument(
        '--max-size', type=int, help='greatest longer side of a box in pixels, 128'
    )
    parser.add_argument(
        '--max-digits', type=int, help='greatest number of digits in an image, 6'
    )
    parser.add_argument(
        '--difficulty', type=float, help='from 0 (plain) to 1 (faint, noisy), 0.5'
    )
    parser.add_argument('--seed', type=int, help='of all random numbers, 0')
    return parser.parse_args()


def main(out_dir: str, **settings) -> None:
    # after the parsing, for --help not to wait for these
    from projects.core.datasets.digits_coco import (
        make_digits_coco,
        summarize_digits_coco,
    )

    root = make_digits_coco(out_dir, **settings)
    print(f'{root} holds')
    for split, counts in summarize_digits_coco(root).items():
        print(
            f'  {split}: {counts["images"]} images, {counts["empty"]} of '
            f'them without a digit; boxes: {counts["small"]} small, '
            f'{counts["medium"]} medium, {counts["large"]} large'
        )


if __name__ == '__main__':
    args = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool(main, **args)

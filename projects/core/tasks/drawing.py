"""What the pictures of all tasks have in common: letters, and their least size."""

import matplotlib

FONT = f'{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans-Bold.ttf'
MIN_SIDE = 448  # pixels; smaller images are enlarged so that text is legible

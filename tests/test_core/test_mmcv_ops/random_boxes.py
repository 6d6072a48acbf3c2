"""Random boxes and regions, of which some are partly outside of the image."""

import torch


def random_boxes(num_boxes, size=60.0):
    boxes = torch.rand(num_boxes, 4) * size
    boxes[:, 2:] = boxes[:, :2] + torch.rand(num_boxes, 2) * size / 2 + 1
    return boxes


def random_rois(num_rois, num_images=2, size=16.0, dtype=torch.float64):
    images = torch.randint(num_images, (num_rois, 1))
    return torch.cat([images, random_boxes(num_rois, size) - 2], 1).to(dtype)

"""Train on synthetic, test on real: what samples are worth as data.

Legend: N images to train on, M held-out ones, C channels, K classes.
"""

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from projects.core.errors import UserError
from projects.core.quiet import hushed
from projects.core.tasks.generation.judge import (
    build_classifier,
    input_size,
    network_input,
)

#: the schedule, the same for samples and for real images
ITERATIONS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 600, 64, 2e-3, 0.05


def top1(
    cfg: Config,
    images: Tensor,
    labels: Tensor,
    held_out: tuple[Tensor, Tensor],
    device: str | torch.device = 'cpu',
    seed: int = 0,
) -> float:
    """Right answers, in %, of a classifier that saw nothing but the given images.

    It is that of a config with new weights, trained by ``ITERATIONS`` steps of AdamW on
    ``BATCH_SIZE`` images each; the learning rate rises to ``LEARNING_RATE`` and falls
    to 0 (one cycle). Images are not distorted. Global random numbers stay as they are.

    Args:
        cfg: Config of an image classifier.
        images: (N, C, H, W) uint8, to train on.
        labels: (N,) of them.
        held_out: Images (M, C, H, W) and labels (M,) to be tested on.
        device: Where it is trained.
        seed: Of weights, batches and dropout.

    Raises:
        UserError: If a label is none of the classifier's.
    """
    device = torch.device(device)
    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        torch.manual_seed(seed)
        model = build_classifier(cfg)
        with hushed():
            model.init_weights()
        model.to(device).train()
        size = input_size(cfg)

        def logits(batch: Tensor) -> Tensor:
            x = network_input(model, batch, size, 'the classifier')
            return model(x, mode='tensor')

        num_shown = ITERATIONS * BATCH_SIZE
        rounds = [
            torch.randperm(len(images)) for _ in range(-(-num_shown // len(images)))
        ]
        batches = torch.cat(rounds)[:num_shown].split(BATCH_SIZE)
        optimizer = torch.optim.AdamW(
            model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=len(batches)
        )
        for batch in batches:
            scores = logits(images[batch])
            check_labels(labels, scores.shape[1])
            optimizer.zero_grad()
            F.cross_entropy(scores, labels[batch].to(device)).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            seen = torch.cat(
                [logits(part).argmax(1) for part in held_out[0].split(256)]
            )
        return 100 * (seen.cpu() == held_out[1]).double().mean().item()


def check_labels(labels: Tensor, num_classes: int) -> None:
    """See whether a classifier knows the classes.

    Raises:
        UserError: If not.
    """
    if labels.max() >= num_classes:
        raise UserError(
            f'judge: it tells {num_classes} classes, and the data have the label '
            f'{labels.max()}; choose a classifier that was trained on such data'
        )

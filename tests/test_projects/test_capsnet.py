"""CapsNet: squash, routing, margin loss, reconstruction."""

import copy
import doctest
import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from torch import nn

from projects import create_model
from projects.capsnet import (
    CapsNet,
    CapsNetClassifier,
    CapsuleHead,
    DigitCapsules,
    MarginLoss,
    dynamic_routing,
    squash,
)
from projects.core.variants import config_root

README = Path(__file__).parents[2] / 'projects/capsnet/README.md'


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


def small_head(**kwargs):
    """16 primary capsules of 4, 3 classes of 5, images of 2 x 3 pixels."""
    torch.manual_seed(0)
    head = CapsuleHead(
        **{
            **dict(
                num_classes=3,
                in_channels=16,
                map_size=2,
                primary_dims=4,
                digit_dims=5,
                image_shape=(1, 2, 3),
                decoder_channels=(7, 6),
            ),
            **kwargs,
        }
    )
    head.init_weights()
    return head


# what the paper counts


def test_parameters_by_hand(build_on_meta):
    model = build_on_meta('capsnet_mnist')
    convs = (81 + 1) * 256 + (81 * 256 + 1) * 256
    votes = 6 * 6 * 32 * 8 * 10 * 16
    decoder = (160 + 1) * 512 + (512 + 1) * 1024 + (1024 + 1) * 784
    assert num_params(model.backbone) == convs == 20_992 + 5_308_672
    assert num_params(model.head.digit_capsules) == votes == 1_474_560
    assert num_params(model.head.decoder) == decoder == 1_411_344
    assert num_params(model) == 6_804_224 + 1_411_344


def test_parameters_of_the_authors_code(build_on_meta):
    with torch.device('meta'):
        biased, plain = (CapsuleHead(10, bias=bias) for bias in (True, False))
    assert num_params(biased) - num_params(plain) == 160


# squash


def test_squash_by_hand():
    # lengths 5 and 1/2: 25/26 and (1/4) / (5/4) = 1/5
    vectors = torch.tensor([[3.0, 4.0], [0.5, 0.0]], dtype=torch.float64)
    expected = [[25 / 26 * 3 / 5, 25 / 26 * 4 / 5], [0.2, 0.0]]
    torch.testing.assert_close(squash(vectors).tolist(), expected)


def test_squash_of_nothing_is_nothing_with_a_gradient_of_zero():
    vectors = torch.zeros(2, 3, requires_grad=True)
    (out,) = squash(vectors[None])
    out.sum().backward()
    assert not out.any()
    assert torch.equal(vectors.grad, torch.zeros(2, 3))


def test_gradient_of_squash_is_the_numerical_one():
    torch.manual_seed(0)
    vectors = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(squash, vectors)


@pytest.mark.parametrize('length', [1e-30, 1e-3, 1e3, 1e15])
def test_squash_keeps_the_direction_of_any_length(length):
    out = squash(torch.tensor([length, 0.0]))
    n = min(length, 1e9)  # whose square is finite in float64 and far from 1
    assert out.tolist() == pytest.approx([n * n / (1 + n * n), 0.0])


# routing


def votes_by_hand():
    """Two capsules below, both for class 0, against each other for class 1."""
    votes = [[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]]
    return torch.tensor([votes], dtype=torch.float64)


def test_routing_by_hand():
    capsules, steps = dynamic_routing(votes_by_hand(), 3, return_steps=True)
    # 1: halves; the sums are (1, 0) and (0, 0), squashed 1/2 and 0
    # 2: b = 1/2 for class 0, c = 1 / (1 + e^-b), a sum of (2c, 0)
    # 3: b grows by the length of the second outcome
    logit, length, expected = 0.0, 0.0, []
    for _ in range(3):
        logit += length
        coupling = 1 / (1 + math.exp(-logit))
        length = (2 * coupling) ** 2 / (1 + (2 * coupling) ** 2)
        expected.append((coupling, length))
    assert expected[0] == (0.5, 0.5)
    assert [round(value, 4) for value in expected[1]] == [0.6225, 0.6078]
    assert [round(value, 4) for value in expected[2]] == [0.7517, 0.6933]
    for step, (coupling, length) in zip(steps, expected, strict=True):
        couplings = [[coupling] * 2, [1 - coupling] * 2]
        torch.testing.assert_close(step.couplings[0].tolist(), couplings)
        torch.testing.assert_close(
            step.outputs[0].tolist(), [[length, 0.0], [0.0, 0.0]]
        )
    assert torch.equal(capsules, steps[-1].outputs)


def naive_routing(votes, num_iterations):
    """Procedure 1 of the paper, a pair of capsules at a time; of one image."""
    num_above, num_below, _ = votes.shape
    b = [[torch.zeros((), dtype=votes.dtype)] * num_above for _ in range(num_below)]
    for _ in range(num_iterations):
        c = []
        for i in range(num_below):
            total = sum(torch.exp(value) for value in b[i])
            c.append([torch.exp(value) / total for value in b[i]])
        v = []
        for j in range(num_above):
            s = sum(c[i][j] * votes[j, i] for i in range(num_below))
            squared = (s * s).sum()
            v.append(squared / (1 + squared) * s / squared.sqrt())
        b = [
            [b[i][j] + (votes[j, i] * v[j]).sum() for j in range(num_above)]
            for i in range(num_below)
        ]
    return torch.stack(v)


@pytest.mark.parametrize('num_iterations', [1, 2, 3, 5])
def test_routing_is_that_of_loops_over_capsules(num_iterations):
    torch.manual_seed(0)
    votes = torch.randn(2, 3, 7, 4, dtype=torch.float64, requires_grad=True)
    ours = dynamic_routing(votes, num_iterations)
    theirs = torch.stack([naive_routing(image, num_iterations) for image in votes])
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(ours)
    gradients = [
        torch.autograd.grad((weights * out).sum(), votes)[0] for out in (ours, theirs)
    ]
    torch.testing.assert_close(*gradients)  # through all iterations


def test_one_who_disagrees_is_heard_less_and_less():
    torch.manual_seed(0)
    votes = torch.randn(1, 2, 6, 4)
    votes[:, 0] = votes[:, 0, :1]  # all agree on class 0 ...
    votes[:, 0, -1] *= -1  # ... but the last
    _, steps = dynamic_routing(votes, 4, return_steps=True)
    shares = torch.stack([step.couplings[0, 0] for step in steps])
    assert torch.equal(shares[0], torch.full((6,), 0.5))
    assert (shares[1:, 0] > shares[:-1, 0]).all()
    assert (shares[1:, -1] < shares[:-1, -1]).all()
    for step in steps:
        torch.testing.assert_close(step.couplings.sum(1), torch.ones(1, 6))
        assert (torch.linalg.vector_norm(step.outputs, dim=-1) < 1).all()


def test_no_iteration_is_refused():
    with pytest.raises(ValueError, match='num_iterations 0 is less than 1'):
        dynamic_routing(torch.rand(1, 2, 3, 4), 0)


def test_biases_are_added_before_the_squash():
    # all votes are zero: what is left is the squashed bias, (3, 4) as above
    bias = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    out = dynamic_routing(torch.zeros(1, 2, 5, 2), 3, bias)
    torch.testing.assert_close(out[0, 0], torch.tensor([15.0, 20.0]) / 26)
    assert not out[0, 1].any()


def test_votes_are_a_matrix_for_each_pair():
    torch.manual_seed(0)
    capsules = DigitCapsules(num_capsules=5, in_dims=3, num_classes=2, dims=4)
    nn.init.normal_(capsules.weight)
    below = torch.randn(6, 5, 3)
    votes = capsules.votes(below)
    assert votes.shape == (6, 2, 5, 4)
    for j, i in ((0, 0), (1, 3), (1, 4)):
        torch.testing.assert_close(
            votes[:, j, i], below[:, i] @ capsules.weight[i, :, j]
        )


# losses


def test_margin_loss_by_hand():
    lengths = torch.tensor([[0.8, 0.3, 0.05], [0.95, 0.0, 0.6]])
    # present, 0.9 - 0.8 = 0.1; absent, half of (0.3 - 0.1)^2: 0.01 + 0.02
    # the second image's class has 0: 0.81 + 0.5 * (0.85^2 + 0.5^2) = 1.29625
    labels = torch.tensor([0, 1])
    loss = (0.03 + 1.29625) / 2
    assert MarginLoss()(lengths, labels).item() == pytest.approx(loss)
    halved = MarginLoss(loss_weight=0.5)(lengths, labels, avg_factor=1)
    assert halved.item() == pytest.approx(loss)


def test_margin_loss_of_two_classes_in_one_image():
    lengths = torch.tensor([[0.8, 0.3, 0.05]])
    # present 0.1 and 0.6, both whole: the digits of MultiMNIST
    loss = MarginLoss()(lengths, torch.tensor([[1.0, 1.0, 0.0]]))
    assert loss.item() == pytest.approx(0.01 + 0.36)


def test_reconstruction_loss_is_a_sum_of_squares_by_hand():
    head = small_head(reconstruction_weight=0.0005)
    nn.init.zeros_(head.decoder[-2].weight)
    nn.init.zeros_(head.decoder[-2].bias)  # grey of 1/2 whatever the capsules
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 3).clone()
    images[0, 0, 0, 0] = 0.5
    losses = head.loss((torch.rand(2, 16, 2, 2),), labelled(0, 2), images=images)
    # five and six pixels are off by 1/2; the mean of two images
    expected = 0.0005 * (5 + 6) / 4 / 2
    assert losses['loss_reconstruction'].item() == pytest.approx(expected)
    assert set(losses) == {'loss_margin', 'loss_reconstruction'}


def test_only_the_capsule_of_the_class_is_decoded():
    head = small_head()
    capsules = torch.rand(2, 3, 5, requires_grad=True)
    head.reconstruct(capsules, torch.tensor([2, 0])).sum().backward()
    assert capsules.grad.flatten(0, 1).any(1).tolist() == [0, 0, 1, 1, 0, 0]


def test_mixed_images_have_shares_of_classes():
    head = small_head(image_shape=(1, 1, 1))
    feats = (torch.rand(1, 16, 2, 2),)
    shares = torch.tensor([0.25, 0.0, 0.75])
    sample = DataSample().set_gt_score(shares)
    losses = head.loss(feats, [sample], images=torch.zeros(1, 1, 1, 1))
    margin = MarginLoss()(head(feats), shares[None])
    torch.testing.assert_close(losses['loss_margin'], margin)
    decoded = head.reconstruct(head.capsules(feats), shares[None])
    expected = 0.0005 * decoded.item() ** 2
    assert losses['loss_reconstruction'].item() == pytest.approx(expected)


def test_an_image_without_anything_has_a_gradient():
    """All capsules are zero: neither squash nor length may divide by it."""
    head = small_head()
    x = torch.zeros(2, 16, 2, 2, requires_grad=True)
    losses = head.loss((x,), labelled(0, 1), images=torch.zeros(2, 1, 2, 3))
    # nothing is long: the present class of each image costs 0.9^2
    assert losses['loss_margin'].item() == pytest.approx(0.81)
    sum(losses.values()).backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_losses_of_no_image_are_zero():
    head = small_head()
    losses = head.loss((torch.rand(0, 16, 2, 2),), [], images=torch.rand(0, 1, 2, 3))
    assert {name: loss.item() for name, loss in losses.items()} == {
        'loss_margin': 0,
        'loss_reconstruction': 0,
    }
    sum(losses.values()).backward()
    assert not any(p.grad.any() for p in head.parameters())


# the head


def test_scores_are_the_lengths():
    head = small_head().eval()
    feats = (torch.randn(4, 16, 2, 2),)
    samples = head.predict(feats)
    capsules, steps = head.capsules(feats, return_steps=True)
    assert len(steps) == 3
    for sample, capsule in zip(samples, capsules, strict=True):
        torch.testing.assert_close(sample.pred_score, capsule.square().sum(1).sqrt())
        assert sample.pred_label == sample.pred_score.argmax()


def test_primary_capsules_are_channels_that_follow_each_other():
    head = small_head()
    x = torch.randn(1, 16, 2, 2)
    capsules = head.pre_logits((x,))
    assert capsules.shape == (1, 4 * 4, 4)
    # of type 2 at y = 1, x = 0
    torch.testing.assert_close(capsules[0, 2 * 4 + 2], squash(x[0, 8:12, 1, 0]))


def test_without_reconstruction_there_is_no_decoder():
    head = small_head(reconstruction_weight=0)
    losses = head.loss((torch.rand(2, 16, 2, 2),), labelled(0, 1))
    assert set(losses) == {'loss_margin'}
    assert [name for name, _ in head.named_parameters()] == ['digit_capsules.weight']
    assert head.final_layers() == [head.digit_capsules]


def test_accuracy_in_training_can_be_logged():
    head = small_head(reconstruction_weight=0, cal_acc=True)
    losses = head.loss((torch.rand(2, 16, 2, 2),), labelled(0, 1))
    assert set(losses) == {'loss_margin', 'accuracy_top-1'}


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='in_channels 10: no multiple'):
        small_head(in_channels=10)
    head = small_head()
    with pytest.raises(ValueError, match=r'a map of \(16, 3, 2\) where .*\(16, 2, 2\)'):
        head((torch.rand(1, 16, 3, 2),))
    feats, samples = (torch.rand(1, 16, 2, 2),), labelled(1)
    with pytest.raises(ValueError, match='not None: the model must be a'):
        head.loss(feats, samples)
    with pytest.raises(ValueError, match=r'of \(1, 2, 3\) .* not \(1, 3, 2\)'):
        head.loss(feats, samples, images=torch.rand(1, 1, 3, 2))


def test_initial_weights():
    head = small_head(map_size=6, in_channels=64, bias=True)
    weight = head.digit_capsules.weight
    assert weight.abs().max() <= 0.2
    # a normal distribution cut off at two deviations has 0.880 of its deviation
    assert weight.std().item() == pytest.approx(0.088, rel=0.05)
    assert (head.digit_capsules.bias == 0.1).all()
    assert head.decoder[0].weight.abs().max() <= 1 / math.sqrt(3 * 5)  # torch's


# the whole


def test_the_decoder_is_given_pixels_whatever_the_network_sees():
    images = [torch.randint(0, 256, (1, 28, 28)) for _ in range(2)]
    expected = torch.stack(images) / 255
    for settings in (
        dict(mean=[0.0], std=[255.0]),
        dict(mean=[127.5], std=[127.5]),
        dict(),
    ):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = CapsNetClassifier(
                dict(type='projects.CapsNet', channels=(4, 16)),
                head=dict(type='projects.CapsuleHead', num_classes=2, in_channels=16),
                data_preprocessor=settings,
            )
        inputs = model.data_preprocessor(dict(inputs=images))['inputs']
        torch.testing.assert_close(model.pixels(inputs), expected)
        losses = model(inputs, labelled(0, 1), mode='loss')
        with torch.no_grad():
            decoded = model.head.reconstruct(
                model.head.capsules(model.extract_feat(inputs)), torch.tensor([0, 1])
            )
        torch.testing.assert_close(
            losses['loss_reconstruction'],
            0.0005 * (decoded - expected).square().sum((1, 2, 3)).mean(),
        )


def paper_lengths(model, images):
    """The layers of Fig. 1 in plain torch, a capsule per loop."""
    weights = model.state_dict()

    def conv(x, name, stride):
        names = (f'backbone.{name}.{kind}' for kind in ('weight', 'bias'))
        return nn.functional.conv2d(x, *(weights[name] for name in names), stride)

    x = conv(conv(images, 'conv', 1).relu(), 'primary', 2)
    below = []
    for type_ in range(32):
        s = x[:, 8 * type_ : 8 * type_ + 8]
        n = s.square().sum(1, keepdim=True)
        v = n / (1 + n) * s / n.sqrt()
        below += [v[:, :, y, z] for y in range(6) for z in range(6)]
    matrices = weights['head.digit_capsules.weight']
    votes = torch.stack(
        [torch.einsum('bf,fkd->bkd', u, matrices[i]) for i, u in enumerate(below)], 1
    )
    logits = torch.zeros(votes.shape[:3])
    for _ in range(3):
        s = torch.einsum('bik,bikd->bkd', logits.softmax(2), votes)
        n = s.square().sum(2, keepdim=True)
        v = n / (1 + n) * s / n.sqrt()
        logits = logits + torch.einsum('bikd,bkd->bik', votes, v)
    return v.norm(dim=2)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return create_model('capsnet_mnist').eval()


def test_lengths_are_those_of_the_layers_of_the_paper(model):
    images = torch.rand(2, 1, 28, 28)
    model = copy.deepcopy(model)
    nn.init.normal_(model.backbone.primary.weight, std=0.1)  # long primary capsules
    with torch.no_grad():
        lengths = model(images)
        torch.testing.assert_close(
            lengths, paper_lengths(model, images), atol=1e-5, rtol=1e-5
        )
        _, steps = model.head.capsules(model.extract_feat(images), return_steps=True)
    # or any routing would do
    assert lengths.max() > 0.5
    assert steps[-1].couplings.max() > 0.14


def test_bfloat16(model):
    images = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        expected = model(images)
        with torch.autocast('cpu', torch.bfloat16):
            # 8 bits of mantissa in three layers one after the other
            torch.testing.assert_close(
                model(images).float(), expected, atol=0.03, rtol=0
            )


def test_other_classes_begin_anew_and_alone_are_trained(model, tmp_path):
    """Transfer: what a new number of classes changes is what is trained."""
    torch.save(model.state_dict(), tmp_path / 'capsnet.pth')
    other = create_model(
        'capsnet_mnist', 3, str(tmp_path / 'capsnet.pth'), trainable_stages=0
    )
    ours, theirs = model.state_dict(), other.state_dict()
    changed = {name for name in ours if ours[name].shape != theirs[name].shape}
    trained = {name for name, p in other.named_parameters() if p.requires_grad}
    assert changed < trained
    assert trained - changed == {'head.decoder.0.bias'}
    assert torch.equal(ours['backbone.conv.weight'], theirs['backbone.conv.weight'])
    assert torch.equal(ours['head.decoder.4.weight'], theirs['head.decoder.4.weight'])


@pytest.mark.parametrize('size', [(28, 28), (193, 225)])
def test_maps_of_the_backbone(size):
    with torch.device('meta'):
        maps = CapsNet(out_indices=(0, 1), channels=(4, 8))(torch.rand(1, 1, *size))
    h, w = size
    assert maps[0].shape == (1, 4, h - 8, w - 8)
    assert maps[1].shape == (1, 8, (h - 15) // 2, (w - 15) // 2)


def test_other_layers_are_built():
    backbone = CapsNet(
        channels=(2, 4), conv_cfg=dict(type='ConvAWS'), act_cfg=dict(type='SiLU')
    )
    assert type(backbone.conv).__name__ == type(backbone.primary).__name__
    assert type(backbone.conv).__name__ == 'ConvAWS2d'
    assert isinstance(backbone.act, nn.SiLU)


def test_recipe_of_mnist():
    cfg = Config.fromfile(config_root() / 'capsnet/capsnet_1xb128-100e_mnist.py')
    (schedule,) = cfg.param_scheduler
    assert (schedule.gamma, schedule.step_size) == (0.96, 2000)
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=0.001)
    assert cfg.train_dataloader.batch_size == 128


def test_shifts_of_mnist_are_up_to_two_pixels():
    import numpy as np
    from mmengine.dataset import Compose

    cfg = Config.fromfile(config_root() / 'capsnet/capsnet_1xb128-100e_mnist.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        pipeline = Compose(cfg.train_pipeline)
    image = np.zeros((28, 28), np.uint8)
    image[14, 10] = 255
    np.random.seed(0)
    seen = set()
    for _ in range(300):
        inputs = pipeline(dict(img=image, gt_label=3))['inputs']
        assert inputs.shape == (1, 28, 28)
        ((y, x),) = inputs[0].nonzero().tolist()
        seen.add((y - 14, x - 10))
    assert seen == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    bright = pipeline(dict(img=np.full((28, 28), 255, np.uint8), gt_label=3))
    assert set(bright['inputs'].unique().tolist()) <= {0, 255}  # zeros move in


def test_examples_of_the_page():
    done = doctest.testfile(str(README), module_relative=False, encoding='utf-8')
    assert done.attempted > 5
    assert done.failed == 0

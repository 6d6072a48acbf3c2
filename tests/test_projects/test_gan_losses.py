"""What generator and discriminator minimise, against the papers' equations."""

import math

import pytest
import torch
from torch import nn

from projects.gan import (
    GradientPenalty,
    LeastSquaresLoss,
    MinMaxLoss,
    MLPDiscriminator,
    MLPGenerator,
    NonSaturatingLoss,
    WassersteinLoss,
)

LOSSES = [MinMaxLoss, NonSaturatingLoss, LeastSquaresLoss, WassersteinLoss]
REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def log_s(score):
    return math.log(1 / (1 + math.exp(-score)))


@pytest.mark.parametrize(
    ('loss', 'discriminator', 'generator'),
    [
        # 1 - s(D) is s(-D)
        (
            MinMaxLoss,
            -(log_s(2) + log_s(-1)) / 2 - (log_s(-0.5) + log_s(3)) / 2,
            (log_s(-0.5) + log_s(3)) / 2,
        ),
        (
            NonSaturatingLoss,
            -(log_s(2) + log_s(-1)) / 2 - (log_s(-0.5) + log_s(3)) / 2,
            -(log_s(0.5) + log_s(-3)) / 2,
        ),
        # ((2 - 1)^2 + (-1 - 1)^2) / 4 + (0.5^2 + 3^2) / 4, (0.5^2 + 4^2) / 4
        (LeastSquaresLoss, 1.25 + 2.3125, 4.0625),
        # means 0.5 and -1.25
        (WassersteinLoss, -1.75, 1.25),
    ],
)
def test_losses_by_hand(loss, discriminator, generator):
    assert loss().discriminator(REAL, FAKE).item() == pytest.approx(discriminator)
    assert loss().generator(FAKE).item() == pytest.approx(generator)


@pytest.mark.parametrize('loss', LOSSES)
def test_maps_of_scores_and_any_order(loss):
    real, fake = torch.randn(2, 4, 1, 3, 3).unbind()
    for function, scores in (
        (loss().discriminator, (real, fake)),
        (loss().generator, (fake,)),
    ):
        expected = function(*scores)
        assert expected.shape == ()
        flat = [score.flatten().flip(0) for score in scores]
        torch.testing.assert_close(function(*flat), expected)


def gradients(loss, scores):
    """Of the generator's loss by each score, times their number."""
    scores = torch.tensor(scores, requires_grad=True)
    loss.generator(scores).backward()
    return (scores.grad * len(scores)).tolist()


def test_where_the_discriminator_is_sure_the_game_is_flat():
    scores = [-10.0, -1.0, 0.0, 10.0]
    s = [1 / (1 + math.exp(-score)) for score in scores]
    assert gradients(MinMaxLoss(), scores) == pytest.approx([-x for x in s])
    assert gradients(NonSaturatingLoss(), scores) == pytest.approx(
        [x - 1 for x in s], rel=1e-4
    )
    assert abs(gradients(MinMaxLoss(), scores)[0]) < 5e-5
    assert gradients(NonSaturatingLoss(), scores)[0] < -0.9999
    assert gradients(LeastSquaresLoss(), scores) == pytest.approx([-11, -2, -1, 9])
    assert gradients(WassersteinLoss(), scores) == [-1] * 4


@pytest.mark.parametrize('loss', LOSSES)
def test_scores_of_a_sure_discriminator_are_finite(loss):
    real, fake = (torch.tensor([x], requires_grad=True) for x in (1e4, -1e4))
    total = loss().discriminator(real, fake) + loss().generator(fake)
    total.backward()
    assert torch.stack([total, *real.grad, *fake.grad]).isfinite().all()


@pytest.mark.parametrize('loss', LOSSES)
def test_a_step_down_is_one_in_the_right_direction(loss):
    """The discriminator raises scores of data, the generator those of samples."""
    real = torch.tensor([0.2], requires_grad=True)
    fake = torch.tensor([0.4], requires_grad=True)
    loss().discriminator(real, fake).backward()
    assert real.grad < 0 < fake.grad
    fake.grad = None
    loss().generator(fake).backward()
    assert fake.grad < 0


def test_the_best_discriminator_tells_the_divergence():
    """Goodfellow et al. 2014, Theorem 1: -log 4 + 2 JS, here on three places."""
    data, model = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], dtype=torch.double)
    scores = (data / model).log()  # s of it is p / (p + q), Proposition 1
    real = scores.repeat_interleave((data * 10).round().long())
    fake = scores.repeat_interleave((model * 10).round().long())
    middle = (data + model) / 2
    js = sum((p * (p / middle).log()).sum() for p in (data, model)) / 2
    loss = MinMaxLoss().discriminator(real, fake)
    assert -loss.item() == pytest.approx(2 * js.item() - math.log(4))
    for shift in (-0.1, 0.1):  # and no other one tells more
        assert MinMaxLoss().discriminator(real + shift, fake + shift) > loss


def test_the_best_critic_tells_the_distance():
    """Of points on a line and the same, shifted by 3: the critic of slope -1."""
    points = torch.randn(50, dtype=torch.double)
    distance = -WassersteinLoss().discriminator(-points, -(points + 3))
    assert distance.item() == pytest.approx(3)


def test_symmetries():
    def swapped(loss, real, fake):
        return loss.discriminator(real, fake)

    # who is data and who is sample is a matter of the sign,
    expected = MinMaxLoss().discriminator(REAL, FAKE)
    torch.testing.assert_close(swapped(MinMaxLoss(), -FAKE, -REAL), expected)
    expected = WassersteinLoss().discriminator(REAL, FAKE)
    torch.testing.assert_close(swapped(WassersteinLoss(), -FAKE, -REAL), expected)
    # of least squares of the two targets
    expected = LeastSquaresLoss().discriminator(REAL, FAKE)
    torch.testing.assert_close(
        swapped(LeastSquaresLoss(), 1 - FAKE, 1 - REAL), expected
    )
    # a critic is known but for a constant
    shifted = WassersteinLoss().discriminator(REAL + 7, FAKE + 7)
    torch.testing.assert_close(shifted, torch.tensor(-1.75))


class Linear(nn.Module):
    """Score ``slope * x`` along the first axis; keeps what it is given."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x, *labels):
        self.given = x.detach(), *labels
        return self.slope * x.flatten(1)[:, 0]


@pytest.mark.parametrize('shape', [(5, 2), (5, 3, 4, 4)])
@pytest.mark.parametrize('slope', [0.0, 0.5, 1.0, -1.0, 2.0, 3.0])
def test_penalty_of_a_slope(slope, shape):
    """One-centred: 10 (|slope| - 1)^2, zero at slope one, the same at zero and two."""
    critic = Linear(slope)
    penalty = GradientPenalty()(critic, torch.randn(shape), torch.randn(shape))
    assert penalty.item() == pytest.approx(10 * (abs(slope) - 1) ** 2)
    penalty.backward()
    if slope:  # 20 (|slope| - 1) sign(slope)
        expected = 20 * (abs(slope) - 1) * math.copysign(1, slope)
        assert critic.slope.grad.item() == pytest.approx(expected)
    else:  # the norm has a kink there
        assert critic.slope.grad.isfinite()


def test_penalty_is_taken_between_the_pairs():
    """x' = e x + (1 - e) G(z), with one e for all numbers of a datum."""
    real, fake = torch.randn(2, 200, 3, 2, 2)
    critic = Linear(1.0)
    labels = torch.arange(200)
    GradientPenalty()(critic, real, fake, labels)
    between, given = critic.given
    assert given is labels
    shares = ((between - fake) / (real - fake)).flatten(1).double()
    spread = (shares - shares.median(1, keepdim=True).values).abs().median(1).values
    assert spread.max() < 1e-4
    e = shares.median(1).values
    assert 0 <= e.min() < 0.05
    assert 0.95 < e.max() <= 1
    assert e.mean() == pytest.approx(0.5, abs=0.08)  # 0.29 / sqrt(200) is 0.02


class Curved(nn.Module):
    """A critic of one hidden layer whose slope can be written down."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 6)
        self.last = nn.Linear(6, 1)
        self.double()

    def forward(self, x):
        return self.last(self.first(x).tanh()).squeeze(1)

    def slope(self, x):
        """W1^T (w2 * (1 - tanh^2)), so that one backward pass is enough."""
        hidden = self.first(x).tanh()
        return (self.last.weight * (1 - hidden**2)) @ self.first.weight


def test_gradient_of_the_penalty():
    """Double backward, against the slope written out and finite differences."""
    torch.manual_seed(0)
    critic = Curved()
    real, fake = torch.randn(2, 8, 3, dtype=torch.double)
    penalty = GradientPenalty(weight=2.0)

    def of_the_model():
        torch.manual_seed(1)
        return penalty(critic, real, fake)

    def written_out():
        torch.manual_seed(1)
        e = torch.rand(8, 1)
        slopes = critic.slope(e * real + (1 - e) * fake)
        return 2 * ((slopes.square().sum(1).sqrt() - 1) ** 2).mean()

    parameters = dict(critic.named_parameters())
    bias = parameters.pop('last.bias')  # changes no slope
    torch.testing.assert_close(of_the_model(), written_out())
    found = torch.autograd.grad(
        of_the_model(), [*parameters.values(), bias], allow_unused=True
    )
    assert found[-1] is None or not found[-1].any()
    expected = torch.autograd.grad(written_out(), parameters.values())
    torch.testing.assert_close(found[:-1], expected)
    step = 1e-6
    for parameter, gradient in zip(parameters.values(), found, strict=False):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[1] += sign * step
            values.append(of_the_model().item())
            with torch.no_grad():
                parameter.view(-1)[1] -= sign * step
        difference = (values[0] - values[1]) / (2 * step)
        assert gradient.view(-1)[1].item() == pytest.approx(difference, rel=1e-5)


def test_penalty_leaves_the_generator_alone():
    generator, critic = MLPGenerator(hidden_dims=(8,)), MLPDiscriminator((8,))
    GradientPenalty()(
        critic, torch.randn(4, 2), generator(torch.randn(4, 2))
    ).backward()
    assert all(p.grad is None for p in generator.parameters())
    gradients = [p.grad for p in critic.parameters()]
    assert any(gradient is not None and gradient.any() for gradient in gradients)


def test_penalty_under_autocast_has_all_digits():
    torch.manual_seed(0)
    critic = MLPDiscriminator((16, 16))
    real, fake = torch.randn(2, 32, 2)
    found = []
    for enabled in (False, True):
        torch.manual_seed(1)
        critic.zero_grad()
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            penalty = GradientPenalty()(critic, real, fake)
        penalty.backward()
        found.append([penalty, critic.layers[0].weight.grad.clone()])
    assert found[1][0].dtype == torch.float32
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    with torch.autocast('cpu', torch.bfloat16):  # which is not so outside of it
        assert critic(real).dtype == torch.bfloat16


@pytest.mark.parametrize('batch_size', [1, 3])
def test_networks_of_points(batch_size):
    generator, discriminator = MLPGenerator(5, (8, 6)), MLPDiscriminator((8, 6))
    points = generator(torch.randn(batch_size, 5))
    assert points.shape == (batch_size, 2)
    assert discriminator(points).shape == (batch_size,)
    for network, weights in ((generator, (40, 48, 12)), (discriminator, (16, 48, 6))):
        assert [m.weight.numel() for m in network.layers[::2]] == list(weights)
        assert [type(m) for m in network.layers[1::2]] == [nn.ReLU] * 2

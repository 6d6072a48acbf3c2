"""mmcv's operators without a compiler against their definitions, written out, on
random shapes and geometries."""

import itertools

import projects  # noqa: F401 - mmcv.ops needs it to have been imported

# isort: split
import mmcv._ext
import mmcv.ops
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from trust_examples import examples

pytestmark = pytest.mark.skipif(
    mmcv._ext.__spec__.origin != 'projects.core.mmcv_ops',
    reason='mmcv is compiled here, and does not use them',
)
SEEDS = st.integers(0, 2**31 - 1)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


def gradients(outs, inputs):
    """Of a loss that weights each output by its place."""
    weights = torch.linspace(-1, 1, outs.numel(), dtype=outs.dtype).view_as(outs)
    return torch.autograd.grad(outs, inputs, weights)


@st.composite
def deform_convs(draw):
    """Arguments of mmcv's modulated convolution: in double, and offsets that often
    lie on pixels or half way between, one of them beside the map at any padding.
    """
    torch.manual_seed(draw(SEEDS))
    size, kernel = draw(pairs(5, 8)), draw(pairs(1, 3))
    groups, deform_groups = draw(st.sampled_from([(1, 1), (2, 1), (1, 2), (4, 4)]))
    geometry = (draw(pairs(1, 3)), draw(pairs(0, 3)), draw(pairs(1, 2)))
    x = torch.randn(draw(st.integers(1, 3)), 4, *size, dtype=torch.double)
    weight = torch.randn(4, 4 // groups, *kernel, dtype=torch.double)
    shape = F.conv2d(x, weight, None, *geometry, groups).shape
    num_masks = deform_groups * kernel[0] * kernel[1]
    offset = 3 * torch.randn(len(x), 2 * num_masks, *shape[2:], dtype=torch.double)
    steps = draw(st.sampled_from([0, 1, 2, None]))
    if steps is not None:
        offset = (offset * steps).round() / max(steps, 1)
    mask = torch.rand(len(x), num_masks, *shape[2:], dtype=torch.double)
    tensors = [value.requires_grad_() for value in (x, offset, mask, weight)]
    return tensors, (*geometry, groups, deform_groups)


def neighbours(position):
    """The pixels below and above, and their weights."""
    below = position.floor()
    return [(below, 1 - (position - below)), (below + 1, position - below)]


def written_out_deform_conv(
    x, offset, mask, weight, stride, padding, dilation, groups, deform_groups
):
    kernel, size, (height, width) = weight.shape[2:], offset.shape[2:], x.shape[2:]
    images = x.unflatten(1, (deform_groups, -1)).flatten(3)  # (B, G, C / G, H * W)
    offset = offset.unflatten(1, (deform_groups, -1, 2))
    mask = mask.unflatten(1, (deform_groups, -1))
    rows, cols = torch.meshgrid(*(torch.arange(n) for n in size), indexing='ij')
    columns = []
    for k, (i, j) in enumerate(itertools.product(*map(range, kernel))):
        y = rows * stride[0] - padding[0] + i * dilation[0] + offset[:, :, k, 0]
        x_ = cols * stride[1] - padding[1] + j * dilation[1] + offset[:, :, k, 1]
        inside = (y > -1) & (y < height) & (x_ > -1) & (x_ < width)
        value = 0
        for (row, by_row), (col, by_col) in itertools.product(
            neighbours(y), neighbours(x_)
        ):
            shown = inside & (row >= 0) & (row < height) & (col >= 0) & (col < width)
            index = (row * width + col).where(shown, 0).long()[:, :, None].flatten(3)
            pixels = images.gather(3, index.expand(-1, -1, images.size(2), -1))
            weights = (by_row * by_col * shown)[:, :, None]
            value = value + pixels.unflatten(3, size) * weights
        columns.append((value * mask[:, :, None, k]).flatten(1, 2))
    columns = torch.stack(columns, 2).unflatten(1, (groups, -1)).flatten(2, 3)
    weight = weight.flatten(1).unflatten(0, (groups, -1))
    return torch.einsum('bgkhw,gdk->bgdhw', columns, weight).flatten(1, 2)


@examples(quick=60, long=10_000)
@given(deform_convs())
def test_deform_convs(conv):
    (x, offset, mask, weight), geometry = conv
    outs = mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, None, *geometry)
    expected = written_out_deform_conv(x, offset, mask, weight, *geometry)
    torch.testing.assert_close(outs, expected)
    inputs = [x, offset, mask, weight]
    torch.testing.assert_close(gradients(outs, inputs), gradients(expected, inputs))

    inputs = [x, offset, weight]
    ones = torch.ones_like(mask)
    expected = written_out_deform_conv(x, offset, ones, weight, *geometry)
    outs = mmcv.ops.deform_conv2d(*inputs, *geometry)
    torch.testing.assert_close(outs, expected)
    torch.testing.assert_close(gradients(outs, inputs), gradients(expected, inputs))


@examples(quick=60, long=10_000)
@given(deform_convs())
def test_deform_convs_without_offset_are_convolutions(conv):
    (x, offset, mask, weight), geometry = conv
    expected = F.conv2d(x, weight, None, *geometry[:4])
    offset, ones = torch.zeros_like(offset), torch.ones_like(mask)
    outs = mmcv.ops.modulated_deform_conv2d(x, offset, ones, weight, None, *geometry)
    torch.testing.assert_close(outs, expected)
    inputs = [x, weight]
    torch.testing.assert_close(gradients(outs, inputs), gradients(expected, inputs))


@examples(quick=60, long=10_000)
@given(
    SEEDS,
    pairs(1, 6),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2, 4]),
    pairs(1, 3),
)
def test_carafe(seed, size, kernel_size, groups, batch_and_scale):
    torch.manual_seed(seed)
    batch, scale = batch_and_scale
    height, width = size[0] * scale, size[1] * scale
    x = torch.randn(batch, 4, *size, dtype=torch.double, requires_grad=True)
    masks = torch.randn(
        batch, groups, kernel_size**2, height, width, dtype=torch.double
    ).requires_grad_()
    # windows of the large map, whose pixels stand scale apart
    large = F.interpolate(x, scale_factor=scale)
    windows = F.unfold(large, kernel_size, scale, kernel_size // 2 * scale)
    windows = windows.view(batch, groups, 4 // groups, kernel_size**2, height, width)
    expected = (windows * masks[:, :, None]).sum(3).flatten(1, 2)
    outs = mmcv.ops.carafe(x, masks.flatten(1, 2), kernel_size, groups, scale)
    torch.testing.assert_close(outs, expected)
    inputs = [x, masks]
    torch.testing.assert_close(gradients(outs, inputs), gradients(expected, inputs))


@examples(quick=60, long=10_000)
@given(SEEDS, pairs(3, 8), pairs(1, 3), pairs(0, 3), st.floats(0, 1))
def test_masked_conv(seed, size, kernel_size, padding, share):
    torch.manual_seed(seed)
    layer = mmcv.ops.MaskedConv2d(3, 2, kernel_size, padding=padding).double()
    x = torch.randn(1, 3, *size, dtype=torch.double)
    with torch.no_grad():
        expected = layer(x)
    mask = torch.zeros(1, *size)
    # the output may be smaller than the image, whose size the mask has
    part = mask[:, : expected.size(2), : expected.size(3)]
    part.copy_(torch.rand_like(part) < share)
    outs = layer(x, mask)
    outs, rest = outs[..., : size[0], : size[1]], outs
    expected = expected[..., : size[0], : size[1]] * part
    torch.testing.assert_close(outs, expected)
    assert rest.count_nonzero() == outs.count_nonzero()


@st.composite
def scored_boxes(draw):
    """Boxes on whole pixels, so that many IoU and edges are equal; scores differ."""
    coordinates = st.tuples(pairs(0, 12), pairs(1, 8))
    boxes = [
        [x, y, x + w, y + h]
        for (x, y), (w, h) in draw(st.lists(coordinates, max_size=20))
    ]
    torch.manual_seed(draw(SEEDS))
    scores = (torch.randperm(len(boxes)) + 1) / (len(boxes) + 1)
    return torch.tensor(boxes, dtype=torch.float32).view(-1, 4), scores


def written_out_iou(one, other, offset):
    (a, b), (c, d) = one[:2], one[2:]
    overlap = max(min(c, other[2]) - max(a, other[0]) + offset, 0) * max(
        min(d, other[3]) - max(b, other[1]) + offset, 0
    )
    areas = [(p[2] - p[0] + offset) * (p[3] - p[1] + offset) for p in (one, other)]
    return overlap / (sum(areas) - overlap)


# no IoU of such boxes is within float32's precision of these
THRESHOLDS = st.sampled_from([0.1003, 0.3001, 0.5003, 0.7001])


@examples(quick=60, long=10_000)
@given(scored_boxes(), THRESHOLDS, st.sampled_from([0, 1]))
def test_nms(scored, threshold, offset):
    boxes, scores = scored
    kept = []
    for i in scores.argsort(descending=True).tolist():
        if all(
            written_out_iou(boxes[i].tolist(), boxes[k].tolist(), offset) <= threshold
            for k in kept
        ):
            kept.append(i)
    dets, index = mmcv.ops.nms(boxes, scores, threshold, offset)
    assert index.tolist() == kept
    naive, soft_index = mmcv.ops.soft_nms(
        boxes, scores, threshold, min_score=1e-6, method='naive', offset=offset
    )
    assert soft_index.tolist() == kept
    assert torch.equal(naive, dets)
    if not offset:
        scored = torch.cat([boxes, scores[:, None]], 1)
        groups = mmcv.ops.nms_match(scored, threshold)
        assert [int(group[0]) for group in groups] == kept
        assert sorted(int(i) for group in groups for i in group) == [*range(len(boxes))]


@examples(quick=60, long=10_000)
@given(SEEDS, st.integers(0, 12), st.floats(0, 12, width=32), st.integers(1, 15))
def test_line_nms_of_lanes_in_the_order_of_their_scores(seed, num, threshold, top_k):
    torch.manual_seed(seed)
    lanes = torch.rand(num, 77, dtype=torch.double) * 20
    starts, lengths = torch.randint(72, (num,)), torch.randint(72, (num,))
    lanes[:, 2], lanes[:, 4] = starts / 71, lengths
    kept = []
    for i, lane in enumerate(lanes):
        for k in kept:
            first = max(starts[i], starts[k])
            last = min(starts[i] + lengths[i], starts[k] + lengths[k], 72)
            differences = (lane - lanes[k])[5 + first : 5 + last].abs()
            if last > first and differences.mean() < threshold:
                break
        else:
            kept.append(i)
    scores = torch.arange(num, 0, -1.0)
    keep, num_kept, parents = mmcv.ops.line_nms(lanes, scores, threshold, top_k)
    assert keep[:num_kept].tolist() == kept[:top_k]
    assert not keep[num_kept:].any()
    assert [parents[i].item() for i in kept[:top_k]] == [*range(1, num_kept + 1)]

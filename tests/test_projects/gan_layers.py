"""Networks with random weights, and what their layers give."""

import torch


def randomised(net):
    """A network all of whose weights and statistics are random, in eval mode."""
    rng = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            fan_in = value[0].numel() if value.dim() > 1 else 4
            value.normal_(0, fan_in**-0.5, generator=rng)
            if name.endswith('running_var'):
                value.abs_().add_(0.5)
    return net.eval()


def outputs_of(net, layers, x):
    """Outputs of some of a network's layers, by their name, and its own."""
    outs = {}
    hooks = [
        # a copy: the next layer may write over it
        layer.register_forward_hook(
            lambda _, __, out, n=n: outs.update({n: out.clone()})
        )
        for n, layer in layers.items()
    ]
    with torch.no_grad():
        outs['net'] = net(x)
    for hook in hooks:
        hook.remove()
    return outs


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, out in theirs.items():
        assert out.std() > 1e-3  # else all could be the same
        torch.testing.assert_close(ours[name], out, rtol=1e-5, atol=1e-5, msg=name)

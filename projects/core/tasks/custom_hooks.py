"""The hooks of a run, in its config."""


def add_hooks(cfg, *types: str) -> None:
    """Let a run have hooks of these types, where its config has none of them."""
    hooks = list(cfg.get('custom_hooks') or [])
    present = {hook['type'] for hook in hooks}
    cfg.custom_hooks = hooks + [dict(type=t) for t in types if t not in present]

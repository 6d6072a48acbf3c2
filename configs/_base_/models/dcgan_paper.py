"""DCGAN of the paper: 64 x 64 pixels, kernels of 5, uniform latents."""

_base_ = './dcgan_64.py'
model = dict(
    generator=dict(base_channels=128, kernel_size=5),
    discriminator=dict(base_channels=128, kernel_size=5),
    latent=(-1, 1),
)

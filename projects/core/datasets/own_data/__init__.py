"""Data of one's own by one key of a config, ``data_root``: what lies there is found,
and data sets, classes, heads and evaluators follow."""

from projects.core.datasets.own_data.take import take_own_data

__all__ = ['take_own_data']

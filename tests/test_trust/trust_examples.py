"""How many examples a property is tried on: few in the suite, thousands on demand.

``MMATLAS_TRUST=long pytest tests/test_trust -n 0`` runs the long form, with other
random examples each time.
"""

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get('MMATLAS_TRUST') == 'long'


def examples(quick: int, long: int):
    """Decorator of a property: the number of its examples in the suite, and of the
    long form. Those of the suite are the same on each machine."""
    return settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

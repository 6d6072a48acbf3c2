"""Not drawn yet."""

from projects.core.tasks.subject import NotServed


def draw_receptive_fields(subject, options):
    raise NotServed('later')

"""Not drawn yet."""

from projects.core.tasks.subject import NotServed


def draw_attention_of(subject, options):
    raise NotServed('later')

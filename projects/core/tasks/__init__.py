"""A room for each kind of task; see :mod:`projects.core.tasks.task`."""

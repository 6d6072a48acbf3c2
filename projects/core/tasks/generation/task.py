"""Generation, as the engine sees it."""

from projects.core.tasks.task import Task


class GenerationTask(Task):
    """Models that make samples, or that translate images."""

    name = 'a generative model'
    model_bases = ('GenerativeModel',)
    metrics = ('frechet_distance', 'good_samples', 'class_kept')

    def names_of(self, inputs: dict) -> list[str]:
        samples = inputs.get('data_samples') or []
        return [getattr(sample, 'img_path', 'unnamed') for sample in samples]


TASK = GenerationTask()

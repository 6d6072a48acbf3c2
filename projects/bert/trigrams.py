"""What counting does where BERT is fine-tuned: a yardstick without a network.

python -m projects.bert.trigrams configs/bert/bert-mini_1xb16-400i_months.py
"""

import argparse
from collections.abc import Sequence

from mmengine.logging import print_log

Labelled = Sequence[tuple[str, int]]


def trigram_accuracy(train: Labelled, test: Labelled) -> float:
    """Share of texts that a logistic regression on their characters gets right.

    Its features are the trigrams of characters within words, weighted by how rare
    they are; the regularisation is the one of scikit-learn's strengths of 0.1 to 100
    that serves best in a five-fold cross-validation of the training texts.

    Args:
        train: Texts with the index of their class.
        test: Alike.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    classifier = GridSearchCV(
        make_pipeline(
            TfidfVectorizer(analyzer='char_wb', ngram_range=(3, 3)),
            LogisticRegression(max_iter=1000),
        ),
        dict(logisticregression__C=[0.1, 1, 10, 100]),
    )
    return float(
        classifier.fit(*zip(*train, strict=True)).score(*zip(*test, strict=True))
    )


def measure(config: str) -> float:
    """The accuracy on the test split of a config's labelled texts."""
    from projects.core.config import load_config
    from projects.core.errors import UserError
    from projects.core.quiet import quiet_libraries
    from projects.core.tasks.language.corpora import LabelledCorpus
    from projects.registry import TASK_UTILS

    quiet_libraries()
    dataset = load_config(config).get('train_dataloader', {}).get('dataset', {})
    corpus = TASK_UTILS.build(dataset['corpus']) if 'corpus' in dataset else None
    if not isinstance(corpus, LabelledCorpus):
        raise UserError(f'{config} has no texts with labels')
    accuracy = trigram_accuracy(corpus.labelled('train'), corpus.labelled('test'))
    print_log(
        f'{corpus.description}: {100 * accuracy:.1f} % by trigrams of characters',
        'current',
    )
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Accuracy of a logistic regression on trigrams of characters.'
    )
    parser.add_argument('config', help='config whose data are labelled texts')
    options = parser.parse_args()
    from projects.core.cli import run_tool

    run_tool(measure, config=options.config)


if __name__ == '__main__':
    main()

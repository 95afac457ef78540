"""Which experiments are compared."""

from synthetic import make, study

from kerasqueeze.study import questions
from kerasqueeze.study.results import read_all


def asked(out):
    return {(question.kind, question.a.name, question.b.name) for question in questions.ask(read_all(out))}


def test_the_study_asks_three_questions(tmp_path):
    study(tmp_path)
    assert asked(tmp_path) == {
        ("optimizer", "fine_tuning_adam", "fine_tuning_amsgrad"),
        ("pretraining", "fine_tuning_adam", "scratch_adam"),
        ("control", "fine_tuning_adam", "zero_training"),
        ("control", "fine_tuning_amsgrad", "zero_training"),
    }


def test_the_optimizers_own_rate_is_part_of_the_question_and_dropout_is_not(tmp_path):
    make(tmp_path, "a", [0], learning_rate=1e-3, dropout=0.0)
    make(tmp_path, "b", [0], optimizer="amsgrad", learning_rate=2e-3, dropout=0.0)
    make(tmp_path, "c", [0], optimizer="amsgrad", learning_rate=2e-3, dropout=0.5)
    make(tmp_path, "d", [0], learning_rate=2e-3, dropout=0.0)
    assert asked(tmp_path) == {("optimizer", "a", "b"), ("optimizer", "b", "d")}

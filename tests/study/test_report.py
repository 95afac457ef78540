"""The report as a whole: what it says, where its numbers come from, what it refuses."""

import re

import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_score
from synthetic import edit, make, study

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import report
from kerasqueeze.study.report import html, text
from kerasqueeze.study.results import read


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    study(out)
    pd.DataFrame({"tried": ["dropout <0.5>"], "accuracy_val": [0.5]}).to_csv(
        out / "CSV" / "recipe_log.csv", index=False
    )
    layers = {"gradient_norm": 1.5, "update_ratio": 0.1, "weight_norm": 3.0, "maximum_binds": 0.25, "rate_ratio": 0.5}
    rows = [{"seed": 0, "epoch": epoch, "block": "all", **layers} for epoch in (1, 2)]
    pd.DataFrame(rows).to_csv(out / "CSV" / "fine_tuning_amsgrad_layers.csv", index=False)
    markdown, page = report.write(out)
    return out, markdown.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


def section(text, title):
    return re.split(r"^## ", text.split(f"## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_section_is_there(written):
    _, text, page = written
    titles = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert titles == [
        "In short",
        "Question",
        "Data and split",
        "Protocol",
        "Results on the test photos",
        "Adam or AMSGrad?",
        "Pretrained or from scratch?",
        "Above the control?",
        "How training went",
        "Class by class",
        "What the optimizers did in the layers",
        "What was tried",
        "Cost",
        "Limits",
        "What a Fire block, Adam and AMSGrad compute",
        "Where the figures come from",
    ]
    assert page.count("<h2>") == len(titles)
    assert page.count("data:image/png;base64,") == len(re.findall(r"!\[", text)) == 8


def test_beside_every_pretrained_figure_stands_that_its_photos_were_seen(written):
    """Every table and picture with a marked arm is followed by the line before the next heading."""
    _, text, _ = written
    blocks = re.split(r"^#{2,3} ", section_free(text), flags=re.MULTILINE)
    marked = [block for block in blocks if "†" in block or "fine_tuning" in block.split("\n\n> †")[0]]
    assert len(marked) > 8
    for block in marked:
        assert "is part of ImageNet's training set" in block, block.splitlines()[0]


def section_free(text):
    """Leave out the parts that hold no figure of accuracy: settings, cost, limits, provenance."""
    for title in ("Protocol", "Cost", "Limits", "Where the figures come from"):
        text = text.replace(section(text, title), "")
    return re.sub(r"^## (Protocol|Cost|Limits|Where the figures come from)\n", "", text, flags=re.MULTILINE)


def test_the_figures_are_those_of_the_files(written):
    out, text, _ = written
    for name in ("fine_tuning_adam", "zero_training", "scratch_adam"):
        values = read(out, name).test("accuracy")
        assert f"{sum(values.values()) / len(values):.3f}" in section(text, "Results on the test photos")
        frame = history.read_predictions(history.predictions_path(out, name))
        table = pd.read_csv(out / "CSV" / f"{name}_classes.csv")
        expected = precision_score(frame["label"], frame["predicted"], average=None)
        assert table["precision"].tolist() == pytest.approx(expected, abs=1e-5)
        matrix = confusion_matrix(frame["label"], frame["predicted"])
        assert f"| Chihuahua | Maltese dog | {matrix[0, 1]} |" in section(text, "Class by class")
    assert "| fine_tuning_amsgrad † | 1.5 | 0.1 | 3 | 0.25 | 0.5 |" in text
    assert "dropout &lt;0.5>" in section(text, "What was tried")
    assert "| scratch_adam | 1 | 4 | 400 | 210 | 10 |" in section(text, "Cost")  # 4 x 100 photos, 4 x 30 + 90


def test_limits_name_what_is_missing_and_thin(written):
    _, text, _ = written
    said = section(text, "Limits")
    assert "**Not here**: scratch_amsgrad" in said
    assert "**One seed**: scratch_adam" in said
    assert "32 px, below the 224 px" in said


def test_a_class_named_with_a_bar_keeps_its_column(written):
    _, text, _ = written
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_writing_again_gives_the_same(written):
    out, text, page = written
    again = report.compose(report.gather(out))
    assert again == text
    assert html.page(again, out) == page


def test_one_arm_alone_makes_a_report(tmp_path):
    make(tmp_path, "digits_scratch_adam", [0])
    text = report.compose(report.gather(tmp_path))
    assert "answer no question by comparison" in text
    assert "**Not here**: digits_scratch_amsgrad" in text
    assert "†" not in text


def test_chosen_arms_and_seeds(tmp_path):
    study(tmp_path)
    material = report.gather(tmp_path, ["fine_tuning_adam", "scratch_amsgrad"], [1, 2])
    assert [result.name for result in material.results] == ["fine_tuning_adam"]
    assert list(material.results[0].runs) == [1, 2]
    assert material.missing == ["scratch_amsgrad"]
    material = report.gather(tmp_path, None, [1, 2])
    assert "zero_training" in [result.name for result in material.results]
    assert "scratch_adam" in material.missing


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: make(out, "scratch_adam", [0], code="0ther", dataset="stanford_dogs"), "different code"),
        (lambda out: make(out, "scratch_adam", [0]), "not run on the same photos: name differ"),
        (lambda out: make(out, "scratch_adam", [0], dataset="stanford_dogs", predictions=False), "no predictions"),
        (
            lambda out: edit(history.json_path(out, "scratch_adam"), lambda r: r["runs"]["0"].pop("test")),
            "scratch_adam: seed 0: no test scores",
        ),
        (
            lambda out: make(
                out, "fine_tuning_amsgrad", [0], weights="imagenet", optimizer="amsgrad", dataset="stanford_dogs"
            ),
            "fine_tuning_amsgrad has no seeds 1, 2, which fine_tuning_adam has",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused_and_nothing_is_written(spoil, said, tmp_path):
    study(tmp_path)
    history.predictions_path(tmp_path, "scratch_adam").unlink()
    make(tmp_path, "scratch_adam", [0], dataset="stanford_dogs")
    if "no predictions" in said:
        history.predictions_path(tmp_path, "scratch_adam").unlink()
    spoil(tmp_path)
    with pytest.raises(UserError, match=said):
        report.write(tmp_path)
    assert not (tmp_path / "REPORT.md").exists()


def test_nothing_to_report_on_and_unknown_names_are_said(tmp_path):
    with pytest.raises(UserError, match="no finished experiment below"):
        report.write(tmp_path)
    with pytest.raises(UserError, match="unknown experiment 'skratch'; choose from: "):
        report.write(tmp_path, ["skratch"])


def test_other_forms_of_amsgrad_are_explained_where_they_occur(tmp_path):
    make(tmp_path, "a", [0])
    make(tmp_path, "b", [0], optimizer="amsgrad", amsgrad_form="paper")
    assert "amsgrad_form=paper" in text.theory([read(tmp_path, "b")])
    assert "amsgrad_form" not in text.theory([read(tmp_path, "a")])


def test_the_number_of_parameters_of_a_fire_block_is_the_networks():
    """The theory's formula against the layers of fire2: 64 channels in, 16 squeezed, 64 and 64 expanded."""
    import keras

    from kerasqueeze.models.squeezenet import fire_module

    pixels = keras.Input((8, 8, 64))
    c, s, e1, e3 = 64, 16, 64, 64
    assert keras.Model(pixels, fire_module(pixels, s, e1, e3, "fire2")).count_params() == (
        c * s + s + s * e1 + e1 + 9 * s * e3 + e3
    )


def test_the_optimizers_are_those_of_the_theory():
    """The formulas in the report, written out in NumPy, against Keras: a spike, then small gradients."""
    import keras
    import numpy as np

    gradients = [1.0, 5.0, 0.1, -0.2, 0.05]
    for amsgrad in (False, True):
        optimizer = keras.optimizers.Adam(learning_rate=0.01, amsgrad=amsgrad)
        weight = keras.Variable([1.0])
        w, m, v, largest = 1.0, 0.0, 0.0, 0.0
        for t, g in enumerate(gradients, start=1):
            optimizer.apply([keras.ops.convert_to_tensor([g])], [weight])
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            largest = max(largest, v) if amsgrad else v
            w -= 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(largest) + 1e-7)
        assert float(weight[0]) == pytest.approx(w, abs=1e-6)


def test_the_margin_goes_into_every_verdict_and_is_stated(tmp_path):
    make(tmp_path, "a", [0, 1, 2], weights="imagenet", accuracy=0.8)
    make(tmp_path, "b", [0, 1, 2], weights="imagenet", accuracy=0.8, optimizer="amsgrad")
    texts = {margin: report.compose(report.gather(tmp_path, margin=margin)) for margin in (0.01, 0.9)}
    assert "- **Adam or AMSGrad?** Undecided: the interval contains 0" in texts[0.01]
    assert "- **Adam or AMSGrad?** Equivalent within 0.9: accuracy of a minus b" in texts[0.9]
    assert "**Equivalent within 0.9: " in section(texts[0.9], "Adam or AMSGrad?")
    assert "To decide a difference of 0.01, " in section(texts[0.01], "Adam or AMSGrad?")
    assert "shown to differ by less than 0.01, a margin" in texts[0.01].replace("\n", " ")

"""Which folders are taken for parts and which for classes, in the layouts that people have."""

import pytest
from PIL import Image

from kerasqueeze.data.progress import Progress
from kerasqueeze.data.sets import folder
from kerasqueeze.data.sets.folder.parts import part_of
from kerasqueeze.errors import UserError

CLASSES = ("cat", "dog", "owl")


def fill(*places, count=3):
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("L", (9, 9), number).save(place / f"{number}.png")


def with_classes(*places):
    for place in places:
        fill(*(place / name for name in CLASSES))


def listed(place, progress=None):
    return {part.part: part for part in folder.photos(place, progress or Progress())}


def refusal(place) -> str:
    with pytest.raises(UserError) as caught:
        listed(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        {"Training": "train", "Testing": "test"},
        {"Train": "train", "Valid": "validation", "Test": "test"},
        {"TRAIN": "train", "VAL": "validation"},
        {"training_set": "train", "test_set": "test"},
        {"TrainingSet": "train", "validation-set": "validation", "TestSet": "test"},
        {"trainset": "train", "testset": "test"},
        {"train images": "train", "test images": "test"},
        {"train": "train", "dev": "validation", "hold-out": "test"},
        {"train2017": "train", "val2017": "validation"},
        {"dogs-train": "train", "dogs-test": "test"},
        {"train_224px": "train", "held out 224px": "test"},
        {"seg_train/seg_train": "train", "seg_test/seg_test": "test"},
        {"train/images": "train", "test/images/testing": "test"},
    ],
)
def test_parts_under_their_usual_names(tmp_path, names):
    with_classes(*(tmp_path / name for name in names))
    found = listed(tmp_path)
    assert sorted(found) == sorted(names.values())
    for name, part in names.items():
        assert found[part].class_names == CLASSES
        assert all(photo.startswith(f"{name}/") for photo in found[part].names) and len(found[part].names) == 9


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Training", ("train", ())),
        ("myTestData", ("test", ("my",))),
        ("HELD_OUT", ("test", ())),
        ("train2", ("train", ("2",))),
        ("trains", None),
        ("attrain", None),
        ("trainé", None),
        ("contest", None),
        ("train-test", None),
        ("", None),
    ],
)
def test_words_of_a_name(name, expected):
    assert part_of(name) == expected


@pytest.mark.parametrize(
    "names",
    [
        ("train", "bus", "plane"),
        ("freight train", "model train"),
        ("freight train/2019", "road test/2020"),
        ("invalid", "valid"),
        ("cat/2019", "cat/2020", "dog/2021"),
        ("cat/images", "dog/images"),
        ("vehicles/train", "vehicles/bus", "animals"),
    ],
)
def test_classes_with_such_words_in_their_names(tmp_path, names):
    fill(*(tmp_path / name for name in names))
    assert listed(tmp_path)["all"].class_names == tuple(sorted({name.split("/")[0] for name in names}))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("fold1", "fold2"), "fold1, fold2 of .* hold the same folders .*cat, dog, owl.* 'train'"),
        (("Entrenamiento", "Prueba"), "hold the same folders"),
        (("cifar/train", "cifar/test"), "holds one folder, 'cifar', that holds others; name that one"),
        (("test", "val"), "holds test, val, but no part to learn from; call its folder 'train'"),
        (("train", "Training"), "holds 'Training' and 'train', which both mean train; expected one"),
        (("train", "test", "extra"), "divided in parts, to which 'extra' does not belong"),
        (("train", "eval"), "'eval', which can mean two things; rename it to val or test"),
    ],
)
def test_folders_that_look_like_parts_are_refused(tmp_path, names, said):
    with_classes(*(tmp_path / name for name in names))
    with pytest.raises(UserError, match=said):
        listed(tmp_path)


def test_parts_without_class_folders(tmp_path):
    fill(tmp_path / "train", tmp_path / "test")
    assert "holds test, train, but no class folders in them" in refusal(tmp_path)


def test_parts_within_the_classes(tmp_path):
    for name in CLASSES:
        fill(tmp_path / name, *(tmp_path / name / part for part in ("Train", "Test")))
    assert "class 'cat' of" in refusal(tmp_path) and "expected the parts outside" in refusal(tmp_path)


def test_folds_that_do_not_hold_quite_the_same_classes(tmp_path):
    fill(*(tmp_path / name for name in ("fold1/a", "fold1/b", "fold2/a", "fold2/c", "extra")))
    assert "fold1, fold2 of" in refusal(tmp_path)


def test_classes_that_look_like_parts_can_be_put_into_train(tmp_path):
    with_classes(tmp_path / "train" / "fold1", tmp_path / "train" / "fold2")
    assert listed(tmp_path)["train"].class_names == ("fold1", "fold2")


def test_photos_outside_the_classes(tmp_path):
    fill(tmp_path / "a", tmp_path / "b", tmp_path, count=4)
    assert "holds 4 photos beside the class folders (0.png, 1.png, 2.png and 1 more)" in refusal(tmp_path)
    with_classes(tmp_path / "c" / "train", tmp_path / "c" / "test")
    fill(tmp_path / "c" / "test")
    assert "c/test holds 3 photos beside the class folders" in refusal(tmp_path / "c")


def test_an_empty_part_is_no_part(tmp_path):
    with_classes(tmp_path / "train")
    (tmp_path / "val").mkdir()
    assert "validation of" in refusal(tmp_path) and "holds 0 classes" in refusal(tmp_path)


def test_what_lies_beside_the_parts_is_left_out_aloud(tmp_path, heard):
    with_classes(tmp_path / "seg_train" / "seg_train", tmp_path / "seg_test" / "seg_test")
    fill(tmp_path / "seg_pred" / "seg_pred")
    (tmp_path / "models").mkdir()
    (tmp_path / "readme.md").write_text("P6 is no photo")
    assert sorted(listed(tmp_path, heard)) == ["test", "train"]
    for said in (
        "1 of no photo format (readme.md)",
        "1 folders without photos (models)",
        "1 folders of photos without labels (seg_pred)",
    ):
        assert said in heard.notes[1]

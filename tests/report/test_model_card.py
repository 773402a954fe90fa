"""The model card is read back as a hub reads it."""

import yaml

from lib.report.chapters import model_card


def test_the_front_matter_holds_a_result_an_arm():
    arms = {
        arm: {"test_accuracy": {"mean": accuracy}, "ece": {"mean": 0.0712}}
        for arm, accuracy in (("baseline", 0.74321), ("cutmix", 0.76))
    }
    study = {"data": "CIFAR-100", "origins": {"baseline": "trained"}, "networks": ["resnet18"]}
    study |= {"image_size": 32}
    results = {"study": study, "compare": {"arms": arms}}
    found = model_card.keys(results, "mine")
    assert found["tags"] == ["image-classification", "resnet"]
    assert found["library_name"] == "pytorch"
    study |= {"origins": {"baseline": "predictions"}, "networks": []}
    other = model_card.keys(results, "mine")
    assert other["tags"] == ["image-classification"] and "library_name" not in other
    found = yaml.safe_load(yaml.safe_dump(found))
    assert found["datasets"] == ["cifar100"]
    first, second = found["model-index"]
    assert (first["name"], second["name"]) == ("mine/baseline", "mine/cutmix")
    (result,) = first["results"]
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {"name": "CIFAR-100", "type": "cifar100", "split": "test"}
    assert {one["type"]: one["value"] for one in result["metrics"]} == {
        "accuracy": 0.7432,
        "expected_calibration_error": 0.0712,
    }


def test_links_into_the_report_do_not_leave_it():
    text = "One is 0.5 ([](#tab-a) and [](#fig-b)). The surest are in [](#fig-c). Last."
    assert model_card.unlinked(text) == "One is 0.5. Last."

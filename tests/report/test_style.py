"""Plots are read back: lines, bars, bands and labels hold what was given."""

import re
from xml.etree.ElementTree import fromstring

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from synthetic import run

from lib.report import exhibits, style


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_training_curves_of_one_seed_are_lines_and_of_several_means_with_bands():
    one, other = run().history, run().history * [1, 1, 2, 2, 2, 2, 2, 2]
    axes = style.training_curves(one, [1])
    assert len(axes[0].lines) == 4 and not axes[0].collections
    axes = style.training_curves(pd.concat([one, other]), [1])
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), [1.5, 0.75])
    band = axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert len(axes[0].collections) == 3 and band.min() == 0.5 and band.max() == 2
    assert "Mean of 2 seeds" in style.training("a", pd.concat([one, other]), [1])["caption"]
    assert "seeds" not in style.training("a", one, [1])["caption"]


def test_a_rate_that_never_falls_tenfold_has_no_step_to_mark():
    history = run().history.assign(learning_rate=[0.1, 0.05])
    assert len(style.training_curves(history, [1])[0].lines) == 3
    assert "divided by 10" not in style.training("a", history, [1])["caption"]
    assert "divided by 10 after epoch 1" in style.training("a", run().history, [1])["caption"]


def test_histograms_count_images_and_average_over_seeds():
    confidence, correct = (
        np.array([[0.12, 0.14, 0.9], [0.12, 0.5, 0.9]]),
        np.array([[0, 0, 1], [0, 0, 1]], dtype=bool),
    )
    axes = style.confidence_histograms({"cutmix": (confidence, correct)})
    wrong, right = (axis.patches[0].get_data().values for axis in axes)
    assert wrong[2] == 1.5 and wrong.sum() == 2 and right.sum() == 1
    assert axes[1].figure.legends[0].get_texts()[0].get_text() == "CutMix"


def test_bars_of_errors_have_their_counts_and_several_seeds_whiskers():
    counts = pd.DataFrame(
        {"a": [30.0, 4.0], "b": [20.0, 3.0]},
        index=pd.Index([0.5, 0.995], name="confidence at least"),
    )
    ax = style.errors_by_threshold(counts, counts * np.nan)
    assert [bar.get_height() for bars in ax.containers for bar in bars] == [30, 4, 20, 3]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["≥ 50%", "≥ 99.5%"]
    assert [text.get_text() for text in ax.texts] == ["30", "4", "20", "3"] and not ax.collections
    assert len(style.errors_by_threshold(counts, counts * 0.1).collections) == 2


def test_a_drawing_is_one_line_whose_paths_have_two_decimals():
    figure, axis = plt.subplots(figsize=(2, 2))
    axis.plot([0, 1 / 3, 2 / 7], [0, 0.123456, 1])
    drawing = exhibits.rendered(figure, "svg")
    plt.close(figure)
    assert b"\n" not in drawing and fromstring(drawing).tag.endswith("svg")
    assert b"scale(0.015625)" in drawing, "what scales a letter keeps its decimals"
    assert not re.search(rb' d="[^"]*\.\d{3}', drawing)

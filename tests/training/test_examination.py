"""What is brought is examined before it is believed: each question sees what it is for, and none
cries wolf."""

import unicodedata

import numpy as np
import pytest
import torch
from scipy.special import softmax

from lib.base.artefacts import ROOT
from lib.base.errors import NetworkError
from lib.training import examination, network
from lib.training.examination import ask, ask_rows
from lib.training.network import Brought
from lib.training.questions import Case, names_of_classes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
NAMES = [f"class {place}" for place in range(10)]
IMAGES = torch.randint(
    0, 256, (16, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
)
ARM = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def saved(tmp_path, name, classes=10):
    """The weights of a network of that name, drawn once, in a file."""
    torch.manual_seed(7)
    state = network.build(name, classes, [ROOT]).state_dict()
    torch.save(state, tmp_path / "weights.pt")
    return str(tmp_path / "weights.pt")


def examined(tmp_path, name, images=IMAGES, weights=None, **arm):
    weights = saved(tmp_path, name) if weights is None else weights
    case = Case(
        Brought(network=name, weights=weights, **ARM | arm), NAMES, images, [tmp_path, ROOT]
    )
    return case, ask(case)


def lines(answers):
    return {answer.question: answer.line for answer in answers if answer.line}


def only(answers, question, verdict="refused"):
    """The line of that question, and of no other."""
    assert [
        (answer.question, answer.verdict)
        for answer in answers
        if answer.verdict not in ("passed", "not asked")
    ] == [(question, verdict)]
    (line,) = lines(answers).values()
    assert "\n" not in line
    return line


# --- nothing is said of what is right


@pytest.mark.parametrize(
    "name, layer",
    [
        ("networks:small", "conv2"),
        ("networks:Flat", "conv2"),
        ("networks:PreActivation", "conv3"),
        ("networks:OneNorm", "conv2"),
        ("networks:Cosine", "conv2"),
        ("networks:DrawsInVain", "conv2"),
        ("networks:Tied", "conv2"),
        ("networks:Twice", "conv2"),
        ("networks:Rebound", "conv2"),
        ("networks:WithAuxiliary", "conv2"),
        ("networks:Halved", "conv2"),
        ("networks:with_a_norm_of_pixels", "1.conv2"),
        ("networks:lazy", "1"),
        ("torchvision.models:mobilenet_v3_small", "features.9.block.0"),
        ("torchvision.models:resnet18", "layer3"),
        ("torchvision.models:squeezenet1_1", "features.7"),
    ],
)
def test_a_right_network_passes_every_question(tmp_path, name, layer):
    if name == "networks:lazy":
        torch.manual_seed(7)
        net = network.build(name, 10, [ROOT])
        net(torch.zeros(1, 3, 32, 32))
        torch.save(net.state_dict(), tmp_path / "lazy.pt")
    weights = str(tmp_path / "lazy.pt") if name == "networks:lazy" else None
    case, answers = examined(tmp_path, name, weights=weights)
    assert {answer.verdict for answer in answers} == {"passed"}, lines(answers)
    assert case.layer == layer
    assert examination.summary(answers) == f"examined: {len(answers)} questions, no warnings"


def test_a_network_whose_weights_are_in_its_code_needs_no_file(tmp_path):
    _, answers = examined(tmp_path, "networks:whole", weights="")
    assert not lines(answers)


def test_a_transformer_gets_occlusion_and_that_is_said(tmp_path):
    case, answers = examined(tmp_path, "networks:Tokens")
    assert "occlusion" in only(answers, "a layer for maps is found", "note")
    assert case.layer is None


# --- weights


def test_a_head_that_is_still_random_is_found_by_building_twice(tmp_path):
    _, answers = examined(tmp_path, "networks:pretrained", weights="")
    line = only(answers, "two builds are equal")
    assert "fc.weight, fc.bias" in line and "2 of 6" in line and "`weights`" in line


@pytest.mark.parametrize(
    "name, said", [("Projected", "neither parameter nor buffer"), ("ProjectedBuffer", "matrix")]
)
def test_what_is_drawn_beside_the_weights_is_found_by_building_twice(tmp_path, name, said):
    _, answers = examined(tmp_path, f"networks:{name}")
    assert said in only(answers, "two builds are equal")


def test_weights_of_another_network_end_the_examination(tmp_path):
    weights = saved(tmp_path, "networks:PreActivation")
    _, answers = examined(tmp_path, "networks:small", weights=weights)
    assert "in the file" in only(answers, "every weight comes from the file")
    assert [answer.verdict for answer in answers[3:]] == ["not asked"] * (len(answers) - 3)


def test_what_is_left_over_is_said_and_no_refusal(tmp_path):
    torch.manual_seed(7)
    state = network.build("networks:small", 10, [ROOT]).state_dict()
    content = {f"model.{name}": value for name, value in state.items()}
    content |= {"criterion.weight": torch.ones(10)}
    torch.save({"state_dict": content, "epoch": 3}, tmp_path / "left.pt")
    _, answers = examined(tmp_path, "networks:small", weights=str(tmp_path / "left.pt"))
    line = only(answers, "nothing else is in the file", "note")
    assert "1 of its tensors" in line and "criterion.weight" in line


# --- output


@pytest.mark.parametrize(
    "name, said",
    [
        ("InTuple", "tuple (0 (16, 10), 1 (16, 12))"),
        ("WithPlaces", "tuple (0 (16, 10), 1 (16, 12, 8, 8))"),
        ("TwoTables", "logits (16, 10), auxiliary (16, 10)"),
        ("Maps", "(16, 10, 1, 1) for 16 images"),
        ("WithHeadOfMany", "1000 outputs an image, and the data have 10"),
    ],
)
def test_what_is_no_table_of_logits_is_refused_with_its_shapes(tmp_path, name, said):
    _, answers = examined(tmp_path, f"networks:{name}")
    assert said in only(answers, "one table of logits, as wide as the classes")


@pytest.mark.parametrize("name", ["InDataclass", "InDictionary", "WithFeatures", "InNamedTuple"])
def test_logits_are_taken_out_of_an_object_and_that_is_said(tmp_path, name):
    case, answers = examined(tmp_path, f"networks:{name}")
    assert "`logits`" in only(answers, "it is returned as it is", "note")
    plain, _ = examined(tmp_path, "networks:small")
    torch.testing.assert_close(case.logits, plain.logits)


def test_a_squeeze_that_drops_a_single_image_is_refused(tmp_path):
    _, answers = examined(tmp_path, "networks:Squeezed")
    assert "(10,) for a single image" in only(answers, "one image alone has its row")


def test_logits_that_are_not_finite_are_counted(tmp_path):
    _, answers = examined(tmp_path, "networks:Infinite")
    assert "1 of 16 images" in only(answers, "the logits are finite")


@pytest.mark.parametrize("name", ["Sigmoid", "SigmoidStep", "SigmoidInDictionary"])
def test_a_sigmoid_at_the_end_is_refused_and_one_within_is_not(tmp_path, name):
    _, answers = examined(tmp_path, f"networks:{name}", classes=NAMES[::-1])
    assert "what goes into it" in lines(answers)["its last step is no sigmoid"]
    _, answers = examined(tmp_path, "networks:Gated")
    assert not lines(answers)


# --- function


@pytest.mark.parametrize(
    "name", ["Dropped", "Shaken", "ShallowAtRandom", "NoisyNumpy", "Remembering"]
)
def test_other_logits_for_the_same_images_are_refused_by_how_much(tmp_path, name):
    _, answers = examined(tmp_path, f"networks:{name}")
    line = only(answers, "the same images give the same logits")
    assert "by up to" in line


@pytest.mark.parametrize("name", ["OfItsBatch", "OfItsCompany", "Seeded"])
def test_an_image_is_judged_alone_as_in_company(tmp_path, name):
    _, answers = examined(tmp_path, f"networks:{name}")
    assert "than among others" in only(answers, "an image is judged without its company")


@pytest.mark.parametrize("name, buffer", [("Counting", "seen"), ("Moving", "average")])
def test_a_buffer_that_predicting_changes_is_named(tmp_path, name, buffer):
    _, answers = examined(tmp_path, f"networks:{name}")
    assert buffer in only(answers, "predicting changes no buffer")


def test_what_predicting_changes_of_all_networks_is_named_and_put_back(tmp_path):
    _, answers = examined(tmp_path, "networks:Global")
    assert "default dtype" in only(answers, "predicting changes nothing outside")
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(
    "name, said",
    [
        ("patched", "stays that of the first network"),
        ("half_patched", "stays that of the first network"),
        ("Shared", "shares its weights with its copies"),
        ("NotCopied", "cannot be copied (TypeError: cannot pickle"),
    ],
)
def test_a_copy_must_be_its_own(tmp_path, name, said):
    _, answers = examined(tmp_path, f"networks:{name}")
    assert said in only(answers, "a copy is its own")


# --- input


@pytest.mark.parametrize(
    "mean, std",
    [([123.7, 116.3, 103.5], [58.4, 57.1, 57.4]), ([0.5] * 3, [0.0] * 3), ([-0.5] * 3, [1.0] * 3)],
)
def test_a_mean_or_deviation_of_other_pixels_is_refused(tmp_path, mean, std):
    _, answers = examined(tmp_path, "networks:small", mean=mean, std=std)
    assert "pixels in 0..1" in lines(answers)["mean and std are of pixels in 0..1"]


def test_one_number_stands_for_three_channels():
    arm = Brought(network="networks:small", mean=0, std=1)
    assert arm.statistics == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    "name, where",
    [
        ("Normalising", "mean"),
        ("with_a_step", "0.mean"),
        ("NormalisingParameters", "pixel_mean"),
    ],
)
def test_a_network_that_normalises_by_itself_is_warned_of_unless_the_arm_knows(
    tmp_path, name, where
):
    _, answers = examined(tmp_path, f"networks:{name}")
    assert f"holds {where}," in only(answers, "pictures are normalised once", "warning")
    assert examination.summary(answers).endswith("1 warning")
    _, answers = examined(tmp_path, f"networks:{name}", mean=0, std=1)
    assert not lines(answers)


def test_another_size_is_said_with_both_sizes(tmp_path):
    _, answers = examined(tmp_path, "networks:Fixed")
    line = only(answers, "one table of logits, as wide as the classes")
    assert "takes pictures of 224 px and fails at 32 px" in line
    other = IMAGES.repeat(1, 1, 2, 2)
    _, answers = examined(tmp_path, "networks:Flat", images=other)
    line = only(answers, "one table of logits, as wide as the classes")
    assert "takes pictures of 32 px and fails at 64 px" in line


def test_a_grey_first_convolution_is_said(tmp_path):
    _, answers = examined(tmp_path, "networks:grey")
    assert "1 channel" in only(answers, "one table of logits, as wide as the classes")


# --- maps


@pytest.mark.parametrize(
    "name, layer, said",
    [
        ("Twice", "block", "runs 2 times an image"),
        ("Looped", "block.0", "runs 3 times an image"),
        ("Flipped", "conv1", "runs 2 times an image"),
        ("Tokens", "norm", "(2, 17, 16)"),
        ("small", "conv3", "is it conv2?"),
        ("small", "fc", "(2, 10)"),
        ("WithAuxiliary", "auxiliary", "runs 0 times an image"),
        ("Tied", "other", "(2, 10)"),
    ],
)
def test_a_layer_that_gives_no_map_is_refused_by_name(tmp_path, name, layer, said):
    _, answers = examined(tmp_path, f"networks:{name}", layer=layer)
    line = only(answers, "the named layer gives a map")
    assert said in line and line.startswith(f"layer {layer}:")


@pytest.mark.parametrize(
    "name, said",
    [
        ("Dead", "no gradient"),
        ("ZeroMap", "zero on every image"),
        ("NoNumber", "not finite on any image"),
    ],
)
def test_a_map_that_says_nothing_is_never_drawn(tmp_path, name, said):
    layer = "conv1" if name == "ZeroMap" else "conv2"
    _, answers = examined(tmp_path, f"networks:{name}", layer=layer)
    assert said in only(answers, "its map says something")
    case, answers = examined(tmp_path, f"networks:{name}")
    assert said in only(answers, "a layer for maps is found", "note") and case.layer is None


def test_a_named_layer_that_gives_maps_is_taken(tmp_path):
    case, answers = examined(tmp_path, "networks:Twice", layer="conv1")
    assert not lines(answers) and case.layer == "conv1"


# --- classes


def test_classes_that_are_not_the_datas_are_refused(tmp_path):
    for classes, said in (
        ([*NAMES[:9], "other"], "'other' is not one, 'class 9' is missing"),
        ([*NAMES[:9], "class 0"], "'class 9' is missing"),
        (NAMES[:9], "got 9"),
    ):
        _, answers = examined(tmp_path, "networks:small", classes=classes)
        assert said in only(answers, "the class names are the data's")


def test_classes_give_the_networks_order(tmp_path):
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    plain, _ = examined(tmp_path, "networks:small")
    case, answers = examined(tmp_path, "networks:small", classes=[NAMES[place] for place in order])
    assert not lines(answers)
    assert torch.equal(case.logits[:, order], plain.logits)


def test_classes_are_compared_in_one_unicode_form():
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for ours, theirs in ((composed, apart), (composed, composed)):
        arm = Brought(network="networks:small", mean=0, std=1, classes=[theirs, "b"])
        assert names_of_classes(Case(arm, [ours, "b"], None, [])) is None
    arm = Brought(network="networks:small", mean=0, std=1, classes=["cafe", "b"])
    assert "'cafe' is not one" in names_of_classes(Case(arm, [composed, "b"], None, []))


def test_a_true_class_of_no_probability_is_told():
    logits, labels = rows(200, 5, 0.7)
    assert [answer.line for answer in examination.ask_table(logits, labels, list("abcde"))] == [
        ""
    ] * 3
    shares = softmax(logits.astype(np.float64), 1).round(1)
    rounded = np.log(np.maximum(shares / shares.sum(1, keepdims=True), 1e-38))
    *_, answer = examination.ask_table(rounded, labels, list("abcde"))
    lost = int((shares[np.arange(200), labels] == 0).sum())
    assert answer.verdict == "warning" and f"{lost} rows of validation give" in answer.line


def test_far_negative_logits_are_no_rounded_probabilities():
    """Minus squared distances, as of a network that compares with prototypes."""
    logits, labels = rows(200, 5, 0.7)
    *_, answer = examination.ask_table(logits - 400, labels, list("abcde"))
    assert answer.line == ""


def rows(count, classes, accuracy, seed=0):
    """Logits and labels of a network that is right so often."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    other = (labels + generator.integers(1, classes, count)) % classes
    answer = np.where(generator.random(count) < accuracy, labels, other)
    logits = generator.normal(size=(count, classes))
    logits[np.arange(count), answer] += 8
    return logits.astype(np.float32), labels


def of_rows(logits, labels):
    names = [str(place) for place in range(logits.shape[1])]
    return ask_rows(logits, logits, labels, names)


@pytest.mark.parametrize("classes, count", [(10, 200), (100, 2000), (2, 60)])
def test_another_order_of_the_classes_is_seen(classes, count):
    logits, labels = rows(count, classes, 0.95)
    by_name = sorted(range(classes), key=str) if classes > 10 else [*range(1, classes), 0]
    line = only(
        [
            answer
            for answer in of_rows(logits[:, by_name], labels)
            if answer.question != "better than chance"
        ],
        "the classes stand in the data's order",
        "warning",
    )
    assert "`classes` gives the order" in line
    assert ("output 2 '10'" in line) == (classes > 10)


@pytest.mark.parametrize(
    "classes, count, accuracy", [(10, 200, 0.95), (10, 40, 0.3), (100, 200, 0.6), (2, 20, 0.6)]
)
def test_the_datas_own_order_is_not_suspected(classes, count, accuracy):
    for seed in range(10):
        logits, labels = rows(count, classes, accuracy, seed)
        assert "the classes stand in the data's order" not in lines(of_rows(logits, labels))


def test_two_classes_exchanged_are_seen():
    logits, labels = rows(1000, 10, 0.95)
    order = [0, 1, 2, 5, 4, 3, 6, 7, 8, 9]
    assert (
        "output 3 '5', output 5 '3'"
        in lines(of_rows(logits[:, order], labels))["the classes stand in the data's order"]
    )


def test_no_better_than_chance_is_said():
    logits, labels = rows(300, 10, 0.1)
    assert "by chance" in lines(of_rows(logits, labels))["better than chance"]
    labels = np.repeat([0, 1], [270, 30])
    always = np.tile([5.0, 0.0], (300, 1))
    line = lines(of_rows(always, labels))["better than chance"]
    assert "right on 90.0%" in line and "would be on 90.0%" in line
    assert not lines(of_rows(*rows(300, 10, 0.3)))


def test_probabilities_are_refused_and_a_cosine_heads_logits_are_not():
    logits, labels = rows(200, 10, 0.9)
    probabilities = torch.from_numpy(logits).softmax(1)
    for values in (probabilities, probabilities.half().float(), probabilities.bfloat16().float()):
        answers = of_rows(values.numpy(), labels)
        assert "adds to 1: " in only(answers[:2], "logits and not probabilities")
        answers = of_rows(100 * values.numpy(), labels)
        assert "adds to 100: " in only(answers[:2], "logits and not probabilities")
    for cosine in cosines(logits):
        assert not lines(of_rows(cosine, labels)[:2])
        assert not lines(of_rows(cosine[:1], labels[:1])[:2])


def cosines(logits):
    """As cosine heads give them, in 0..1: moved there, or cut."""
    cosine = logits / np.linalg.norm(logits, axis=1, keepdims=True)
    return (cosine + 1) / 2, cosine.clip(0), (0.2 + 0.1 * cosine).astype(np.float32)


def test_what_values_alone_cannot_refuse_is_told():
    logits, labels = rows(200, 10, 0.9)
    tensor, unit = torch.from_numpy(logits), "the values look like logits"
    for values in (*map(torch.from_numpy, cosines(logits)), tensor.sigmoid()):
        assert "a cosine head; of a sigmoid's" in only(
            of_rows(values.numpy(), labels), unit, "note"
        )
    for values in (tensor.log_softmax(1), tensor.log_softmax(1).half().float()):
        assert "logarithms of prob" in only(of_rows(values.numpy(), labels), unit, "note")
    for values in (tensor.exp(), 5 * tensor.softmax(1), 100 * tensor.sigmoid()):
        assert "no value is below 0" in only(of_rows(values.numpy(), labels), unit, "note")
    for values in (tensor, -tensor.sigmoid(), tensor - tensor.amax(1, keepdim=True), 9 * tensor):
        assert unit not in lines(of_rows(values.numpy(), labels))


def test_rows_that_are_not_finite_are_counted_in_each_split():
    logits, labels = rows(50, 10, 0.9)
    broken = logits.copy()
    broken[3, 0], broken[4, 1] = np.inf, np.nan
    answers = ask_rows(logits, broken, labels, NAMES)
    assert "0 validation and 2 test images" in only(answers, "all logits are finite")


def test_refusals_are_raised_with_the_arms_name():
    answers = [
        examination.Answer("a", "refused", "first"),
        examination.Answer("b", "warning", "second"),
        examination.Answer("c", "refused", "third"),
    ]
    with pytest.raises(NetworkError, match="^arm theirs: first\narm theirs: third$"):
        examination.refuse("theirs", answers)
    examination.refuse("theirs", answers[1:2])


def test_the_examination_leaves_the_process_as_it_was(tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    examined(tmp_path, "networks:Dropped")
    torch.manual_seed(7)
    saved_state = torch.get_rng_state()
    examined(tmp_path, "networks:Dropped", weights=str(tmp_path / "weights.pt"))
    assert torch.equal(saved_state, torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()

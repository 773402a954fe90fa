"""Weights of others: read without running anything, and fitted whole or not at all."""

import argparse
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from networks import PreActivation, Small, Tied
from torch import nn

from lib.base.errors import NetworkError
from lib.training import weights as weight_files

RAN = []


class Harmful:
    def __reduce__(self):
        return RAN.append, ("ran",)


def network():
    torch.manual_seed(1)
    return Small()


def fitted(content, key="", net=None):
    """A fresh network with what a file of `content` holds, and what was left over."""
    torch.manual_seed(2)
    net = net or Small()
    return net, weight_files.fit(net, dict(weight_files._flat(content)), "w.pt", key)


def equal(one, other):
    return all(
        torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items()
    )


def prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


# --- read


@pytest.mark.parametrize("kind", ["torch", "old torch", "safetensors", "nested", "half"])
def test_files_of_weights_are_read_back(tmp_path, kind):
    state, path = network().state_dict(), tmp_path / "weights"
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        content = {"state_dict": state, "epoch": 3, "best": 0.9} if kind == "nested" else state
        if kind == "half":
            content = {name: value.half() for name, value in state.items()}
        torch.save(content, path, _use_new_zipfile_serialization=kind != "old torch")
    net = Small()
    assert weight_files.fit(net, weight_files.read(path), "weights") is None
    if kind != "half":
        assert equal(network(), net)
    assert net.fc.weight.dtype == torch.float32


def scripted(path):
    with warnings.catch_warnings(action="ignore"):
        torch.jit.trace(network(), torch.zeros(1, 3, 8, 8)).save(path)


def cut(path):
    torch.save(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-200])


def cut_safetensors(path):
    safetensors.torch.save_file(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-20])


def an_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "weights")


FOREIGN = {
    "whole network": (
        lambda path: torch.save(network(), path),
        "more than weights",
        "state_dict()",
    ),
    "old whole network": (
        lambda path: torch.save(network(), path, _use_new_zipfile_serialization=False),
        "more than weights",
        "state_dict()",
    ),
    "array": (
        lambda path: torch.save({"model": network().state_dict(), "s": np.arange(3.0)}, path),
        "more than weights",
        "state_dict()",
    ),
    "namespace": (
        lambda path: torch.save({"model": {}, "args": argparse.Namespace(lr=1)}, path),
        "argparse.Namespace",
        "state_dict()",
    ),
    "harmful": (lambda path: torch.save({"w": Harmful()}, path), "more than weights", "is run"),
    "TorchScript": (scripted, "TorchScript", "torch.jit.load"),
    "LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1"),
        "Git LFS pointer",
        "git lfs pull",
    ),
    "empty": (lambda path: path.write_bytes(b""), "empty", "copy it again"),
    "page": (lambda path: path.write_text("<!DOCTYPE html><html>"), "web page", "download"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "HDF5", "safetensors"),
    "cut": (cut, "cut short", "state_dict()"),
    "cut safetensors": (cut_safetensors, "no whole safetensors", "copy it again"),
    "archive": (an_archive, "torch did not write", "state_dict()"),
    "npz": (
        lambda path: np.savez(path.open("wb"), weight=np.zeros(3)),
        "torch did not write",
        "state_dict()",
    ),
    "text": (lambda path: path.write_text("weights"), "not a file of weights", "state_dict()"),
    "no names": (lambda path: torch.save(torch.zeros(3), path), "no named tensors", "state_dict()"),
    "a list": (lambda path: torch.save([torch.zeros(3)], path), "no named tensors", "state_dict()"),
    "folder": (lambda path: path.mkdir(), "cannot be read", "directory"),
    "nothing": (lambda path: None, "cannot be read", "No such file"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_file_of_weights_is_one_line_with_the_cure(tmp_path, kind):
    write, said, cure = FOREIGN[kind]
    path = tmp_path / "weights"
    write(path)
    with pytest.raises(NetworkError) as caught:
        weight_files.read(path)
    line = str(caught.value)
    assert said in line and cure in line and "\n" not in line and str(path) in line
    assert "weights_only" not in line and "safe_globals" not in line
    assert not RAN


def test_onnx_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x07\x12\x07pytorch")
    with pytest.raises(NetworkError, match="ONNX is not read.*`network`.*`predictions`"):
        weight_files.read(path)


# --- fitted


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state},
        lambda state: {"model": state, "epoch": 3},
        lambda state: prefixed(state, "module."),
        lambda state: {"state_dict": prefixed(state, "module.model.")},
        lambda state: {"model": {"state_dict": prefixed(state, "_orig_mod.module.")}},
        lambda state: prefixed(state, "net.backbone."),
    ],
)
def test_leading_parts_are_taken_off_until_all_names_fit(wrap):
    net, left = fitted(wrap(network().state_dict()))
    assert equal(network(), net) and left is None


def test_what_is_left_over_is_counted_and_two_of_it_named():
    state = network().state_dict()
    content = {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}
    content |= {"criterion": {"weight": torch.ones(2), "bias": torch.ones(2)}}
    net, left = fitted(content)
    assert equal(network(), net) and "3 of its tensors" in left
    assert "optimizer.state.0.exp_avg, criterion.weight and 1 more" in left


@pytest.mark.parametrize("name", ["fc.bias", "conv1.weight"])
def test_a_weight_that_the_file_lacks_is_refused_with_counts_and_names(name):
    state = network().state_dict()
    del state[name]
    before = Small()
    kept = {key: value.clone() for key, value in before.state_dict().items()}
    with pytest.raises(NetworkError) as caught:
        fitted({"state_dict": state | {"head.weight": torch.ones(3)}}, net=before)
    line = str(caught.value)
    assert "5 of the network's 6" in line and name in line and "head.weight" in line
    assert all(torch.equal(value, kept[key]) for key, value in before.state_dict().items())


def test_nothing_in_common_is_no_success():
    state = {f"layer{place}.w": torch.ones(2) for place in range(5)}
    with pytest.raises(NetworkError) as caught:
        fitted(state)
    line = str(caught.value)
    assert "0 of the network's 6" in line
    assert "conv1.weight, conv1.bias and 4 more" in line
    assert "layer0.w, layer1.w and 3 more" in line


def test_a_head_of_other_classes_is_refused_with_both_shapes():
    with pytest.raises(NetworkError, match=r"fc.weight is \(1000, 12\) .* \(10, 12\) .*2 of 6"):
        fitted(Small(1000).state_dict())


def test_a_buffer_counts_as_a_parameter_does_and_a_counter_does_not():
    torch.manual_seed(1)
    state = PreActivation().state_dict()
    older = {name: value for name, value in state.items() if "num_batches" not in name}
    assert len(older) < len(state)
    net, left = fitted(older, net=PreActivation())
    assert left is None and torch.equal(net.conv1.weight, state["conv1.weight"])
    del older["bn2.running_var"]
    with pytest.raises(NetworkError, match="bn2.running_var"):
        fitted(older, net=PreActivation())


@pytest.mark.parametrize(
    "sets, keys",
    [
        (("state_dict", "state_dict_ema"), ("state_dict", "state_dict_ema")),
        (("model", "ema"), ("model", "ema")),
    ],
)
def test_of_two_sets_the_arm_says_which(sets, keys):
    plain, other = network().state_dict(), {}
    other = {name: value + 1 for name, value in plain.items()}
    content = dict(zip(sets, (plain, other)))
    with pytest.raises(NetworkError, match=f"2 sets .* weights_key .*{keys[0]}, {keys[1]}"):
        fitted(content)
    for key, state in zip(keys, (plain, other)):
        net, left = fitted(content, key)
        assert torch.equal(net.fc.weight, state["fc.weight"]) and "6 of its tensors" in left
    with pytest.raises(NetworkError, match="no set under 'best'"):
        fitted(content, "best")


def test_two_sets_under_leading_parts_and_as_they_are():
    plain = network().state_dict()
    other = {name: value + 1 for name, value in plain.items()}
    attack = prefixed(plain, "module.model.") | prefixed(other, "module.attacker.model.")
    with pytest.raises(NetworkError, match="module.model, module.attacker.model"):
        fitted(attack)
    net, _ = fitted(attack, "module.attacker")
    assert torch.equal(net.fc.weight, other["fc.weight"])
    beside = plain | prefixed(other, "ema.")
    with pytest.raises(NetworkError, match="weights_key says which: ., ema"):
        fitted(beside)
    assert torch.equal(fitted(beside, ".")[0].fc.weight, plain["fc.weight"])
    assert torch.equal(fitted(beside, "ema")[0].fc.weight, other["fc.weight"])


def test_equal_copies_are_one_set():
    plain = network().state_dict()
    net, left = fitted(prefixed(plain, "module.model.") | prefixed(plain, "module.attacker.model."))
    assert equal(network(), net) and "6 of its tensors" in left


def test_a_set_of_other_shapes_is_no_second_set():
    plain, teacher = network().state_dict(), Small(1000).state_dict()
    net, left = fitted({"student": plain, "teacher": teacher})
    assert equal(network(), net) and "6 of its tensors" in left


@pytest.mark.parametrize("kept", ["fc.weight", "other.weight", "both"])
def test_one_matrix_with_two_names_may_stand_in_the_file_once(kept):
    torch.manual_seed(1)
    trained = Tied()
    state = trained.state_dict()
    if kept != "both":
        del state[{"fc.weight": "other.weight", "other.weight": "fc.weight"}[kept]]
    net, left = fitted(state, net=Tied())
    assert equal(trained, net) and left is None and net.other.weight is net.fc.weight


def test_one_matrix_that_the_file_has_as_two_is_refused():
    state = Tied().state_dict()
    state["other.weight"] = state["other.weight"] + 1
    with pytest.raises(NetworkError, match="is not what the file holds"):
        fitted(state, net=Tied())


def test_a_network_that_loads_otherwise_is_refused():
    class Deaf(Small):
        def load_state_dict(self, state, *options):
            return None

    class Stubborn(Small):
        def load_state_dict(self, state, *options):
            raise KeyError("version")

    for net, said in ((Deaf(), "is not what the file holds"), (Stubborn(), "cannot be put into")):
        with pytest.raises(NetworkError, match=said):
            fitted(network().state_dict(), net=net)


def test_a_network_that_keeps_more_than_tensors_is_refused():
    class Extra(nn.Linear):
        def get_extra_state(self):
            return {"step": 3}

        def set_extra_state(self, state):
            pass

    with pytest.raises(NetworkError, match="_extra_state, which is no tensor"):
        fitted(Extra(2, 2).state_dict(), net=Extra(2, 2))

"""A network that is named: found, built, and nothing else changed by it; of two files with one name
each arm gets its own."""

import os
import sys
import warnings

import matplotlib  # noqa: F401
import pytest
import torch
from torch import nn

from lib.base.artefacts import ROOT
from lib.base.errors import NetworkError
from lib.model import ResNet, resnet18
from lib.training import network
from lib.training.network import Brought
from lib.training.surroundings import STATES

BLOCK = """
from torch import nn
WIDTH = {width}
def block():
    return nn.Conv2d(3, WIDTH, 3)
"""
NET = """
from torch import nn
from {blocks} import WIDTH, block
class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body, self.fc = block(), nn.Linear(WIDTH, num_classes)
    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))
def make(num_classes=10):
    return Net(num_classes)
"""


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def repositories(tmp_path, blocks="blocks"):
    for name, width in (("one", 4), ("two", 6)):
        write(tmp_path / name, blocks=BLOCK.format(width=width), net=NET.format(blocks=blocks))
    return [tmp_path]


# --- found and called


def test_the_default_is_our_own():
    assert type(network.build("resnet18", 10, [ROOT], 4, 32)) is ResNet


@pytest.mark.parametrize(
    "name, classes",
    [
        ("networks:small", 7),
        ("networks:Small", 7),
        ("networks:any_names", 7),
        ("networks:of_ten", 10),
        ("networks:no_names", 10),
        ("torchvision.models:mobilenet_v3_small", 7),
    ],
)
def test_a_factory_is_told_the_classes_where_it_takes_them(name, classes):
    net = network.build(name, 7, [ROOT])
    assert [module for module in net.modules() if isinstance(module, nn.Linear)][
        -1
    ].out_features == classes


def test_a_file_beside_the_study_comes_before_one_of_the_environment(tmp_path):
    write(tmp_path, networks="from torch import nn\ndef small(): return nn.Linear(3, 4)")
    import networks

    assert isinstance(network.build("networks:small", 10, [tmp_path]), nn.Linear)
    assert sys.modules["networks"] is networks
    assert type(network.build("networks:small", 10, [tmp_path / "none"])) is networks.Small


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("absent:make", "", "no module 'absent'"),
        ("here:make", "x = 1", "no function 'make'; it has none"),
        ("here:make", "def made(): pass", "no function 'make'; it has made"),
        ("here:make", "import absent_module", "importing it needs 'absent_module'"),
        ("here:make", "def make(:", "SyntaxError"),
        ("here:make", "import argparse\nargparse.ArgumentParser().parse_args(['x'])", "SystemExit"),
        ("here:make", "make = 3", "no function 'make'"),
        ("here:make", "def make(): return [1]", "returns list, not a torch.nn.Module"),
        ("here:make", "from torch import nn\nmake = nn.Flatten", "no parameters"),
        ("here:make", "def make(size): pass", "TypeError"),
        (
            "here:make",
            "import torch\nclass N(torch.nn.Module):\n    def forward(self, x): return x\n"
            "def make(): return torch.jit.trace(N(), torch.zeros(1))",
            "TorchScript",
        ),
        ("here:make", "def make(): raise OSError('no file a\\nb')", "fails (OSError: no file a b)"),
        ("here:make", "from .sibling import make", "ImportError"),
    ],
)
def test_a_name_that_leads_to_no_network_is_one_line(tmp_path, name, text, said):
    write(tmp_path, here=text)
    with pytest.raises(NetworkError) as caught:
        network.build(name, 10, [tmp_path])
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"network {name}: ")
    assert "here" not in sys.modules


@pytest.mark.parametrize("name", ["blocks.py", "blocks", "a/b:c", ":make", "a:b:c", "a b:c", ""])
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises(ValueError, match="network"):
        Brought(network=name, mean=0, std=1)


@pytest.mark.parametrize("mean", [[1.0, 2.0], "half", [True] * 3, None])
def test_a_mean_is_one_number_or_three(mean):
    with pytest.raises(ValueError, match="mean"):
        Brought(network="a:b", mean=mean, std=1)


def test_initial_weights_are_those_of_the_seed():
    state = []
    for _ in range(2):
        torch.manual_seed(3)
        state.append(network.build("networks:small", 10, [ROOT]).state_dict())
    torch.manual_seed(4)
    other = network.build("networks:small", 10, [ROOT]).state_dict()
    assert all(torch.equal(state[0][name], state[1][name]) for name in other)
    assert not torch.equal(state[0]["fc.weight"], other["fc.weight"])


def test_a_network_built_within_inference_mode_can_be_asked_for_gradients():
    with torch.inference_mode():
        net = network.build("networks:small", 10, [ROOT])
    net(torch.zeros(1, 3, 8, 8)).sum().backward()
    assert net.fc.bias.grad is not None


# --- each its own


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one"), ("one", "two", "one")])
def test_two_files_of_one_name_are_each_arms_own(tmp_path, order):
    places = repositories(tmp_path)
    widths = {"one": 4, "two": 6}
    nets = [network.build(f"{name}.net:make", 5, places) for name in order]
    assert [net.fc.in_features for net in nets] == [widths[name] for name in order]
    assert not {"blocks", "net", "one", "two", "one.net", "two.net"} & set(sys.modules)
    for net in nets:
        assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 5)


def test_packages_of_one_name_in_two_folders_are_each_their_own(tmp_path):
    for name, width in (("one", 4), ("two", 6)):
        inner = tmp_path / name / "models"
        write(
            inner, __init__="", blocks=BLOCK.format(width=width), net=NET.format(blocks=".blocks")
        )
        write(tmp_path / name, main="from models.net import make")
    for name, width in (("one", 4), ("two", 6), ("one", 4)):
        net = network.build(f"{name}.main:make", 5, [tmp_path])
        assert net.fc.in_features == width and "models" not in sys.modules


def test_a_module_of_the_name_that_is_already_there_is_neither_taken_nor_lost(tmp_path):
    write(tmp_path / "elsewhere", blocks=BLOCK.format(width=9))
    places = repositories(tmp_path)
    sys.path.insert(0, str(tmp_path / "elsewhere"))
    try:
        import blocks

        assert network.build("one.net:make", 5, places).fc.in_features == 4
        assert sys.modules["blocks"] is blocks and blocks.WIDTH == 9
    finally:
        sys.path.remove(str(tmp_path / "elsewhere"))
        sys.modules.pop("blocks", None)


def test_a_package_called_lib_does_not_take_the_place_of_ours(tmp_path):
    import lib.model

    write(tmp_path / "repo" / "lib", __init__="", blocks=BLOCK.format(width=4))
    write(tmp_path / "repo", net=NET.format(blocks="lib.blocks"))
    assert network.build("repo.net:make", 5, [tmp_path]).fc.in_features == 4
    assert sys.modules["lib"].__file__ == str(ROOT / "lib" / "__init__.py")
    assert sys.modules["lib.model"] is lib.model and "lib.blocks" not in sys.modules


def test_a_package_may_hold_its_own_name_again(tmp_path):
    inner = tmp_path / "nets" / "nets"
    write(inner, __init__="", blocks=BLOCK.format(width=4))
    write(tmp_path / "nets", __init__="", net=NET.format(blocks="nets.nets.blocks"))
    assert network.build("nets.net:make", 5, [tmp_path]).fc.in_features == 4


def test_modules_of_the_environment_stay_imported(tmp_path):
    write(tmp_path, here="import colorsys, networks\nmake = networks.small")
    network.build("here:make", 10, [tmp_path])
    assert "networks" in sys.modules and "here" not in sys.modules


def test_an_edited_file_is_read_anew(tmp_path):
    for width in (4, 6, 8):
        write(tmp_path, blocks=BLOCK.format(width=width), net=NET.format(blocks="blocks"))
        assert network.build("net:make", 5, [tmp_path]).fc.in_features == width
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_networks_own_files_are_known_and_tell_their_content(tmp_path):
    class Params:
        network, study = "one.net:make", "none"

    places = repositories(tmp_path)
    _, files = network.traces("one.net:make", 5, places)
    assert [path.relative_to(tmp_path.resolve()).as_posix() for path in files] == [
        "one/blocks.py",
        "one/net.py",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "beside", lambda study: places)
        before = network.digest(Params)
        write(tmp_path / "one", blocks="# a comment\n" + BLOCK.format(width=4))
        assert network.digest(Params) == before != ""
        write(tmp_path / "one", blocks=BLOCK.format(width=5))
        assert network.digest(Params) != before
        Params.network = "torchvision.models:resnet18"
        assert network.digest(Params) == ""
        Params.network = "resnet18"
        assert network.digest(Params) == ""


# --- what others change is put back

CHANGES = {
    "grad mode": "torch.set_grad_enabled(False)",
    "default dtype": "torch.set_default_dtype(torch.float64)",
    "default device": "torch.set_default_device('meta')",
    "threads": "torch.set_num_threads(torch.get_num_threads() + 1)",
    "deterministic algorithms": "torch.use_deterministic_algorithms("
    "not torch.are_deterministic_algorithms_enabled())",
    "matmul precision": "torch.set_float32_matmul_precision('medium')",
    "cuDNN's settings": "torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark",
    "anomaly detection": "torch.autograd.set_detect_anomaly(True)",
    "NumPy's errors": "numpy.seterr(all='raise')",
    "working folder": "os.chdir('/')",
    "environment": "os.environ['OMP_NUM_THREADS'] = '99'; os.environ['MADE_UP'] = '1'",
    "matplotlib's settings": "import matplotlib; matplotlib.rcParams['axes.grid'] ^= True",
    "logging": "logging.basicConfig(level=logging.DEBUG, force=True); logging.disable()",
}
IMPORTS = "import logging, os, random, sys, numpy, torch\nfrom torch import nn\n"


def state():
    return {
        **{name: read() for name, (read, _) in STATES.items()},
        "filters": list(warnings.filters),
        "stdout": sys.stdout,
        "bytecode": sys.dont_write_bytecode,
    }


@pytest.mark.parametrize("where", ["import", "factory"])
@pytest.mark.parametrize("what", CHANGES)
def test_what_an_import_or_a_factory_changes_is_put_back_and_known(tmp_path, what, where):
    change = CHANGES[what]
    text = (
        f"{IMPORTS}{change}\ndef make():\n    return nn.Linear(2, 2, device='cpu')"
        if where == "import"
        else f"{IMPORTS}def make():\n    {change}\n    return nn.Linear(2, 2, device='cpu')"
    )
    write(tmp_path, here=text)
    before = state()
    changed, _ = network.traces("here:make", 10, [tmp_path])
    assert state() == before
    # a factory runs within torch.enable_grad, which puts that back by itself
    assert changed == [what] * ((what, where) != ("grad mode", "factory"))


def test_random_states_paths_and_print_are_put_back(tmp_path, capfd):
    text = """
random.seed(1); numpy.random.seed(1); torch.manual_seed(1)
sys.path.insert(0, "/nowhere"); sys.path.append("/nowhere else")
print("loading backbone"); print("careful", file=sys.stderr)
import warnings; warnings.warn("old"); warnings.simplefilter("error")
def make():
    print("built")
    return nn.Linear(2, 2)
"""
    write(tmp_path, here=IMPORTS + text)
    before = state()
    network.build("here:make", 10, [tmp_path])
    assert state() == before
    assert capfd.readouterr() == ("", "")


def test_what_fails_has_its_changes_put_back_as_well(tmp_path):
    write(tmp_path, here=f"{IMPORTS}torch.set_grad_enabled(False)\nos.chdir('/')\nraise ValueError")
    before = os.getcwd()
    with pytest.raises(NetworkError, match="ValueError"):
        network.build("here:make", 10, [tmp_path])
    assert torch.is_grad_enabled() and os.getcwd() == before
    assert str(tmp_path) not in sys.path


def test_our_own_network_brought_with_weights_is_our_own(tmp_path):
    torch.manual_seed(0)
    net = resnet18(10)
    torch.save(net.state_dict(), tmp_path / "own.pt")
    arm = Brought(network="resnet18", weights="own.pt", mean=0, std=1)
    brought, left = network.load(arm, [str(place) for place in range(10)], [tmp_path])
    assert type(brought) is ResNet and left is None
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(brought(images), net.eval()(images))

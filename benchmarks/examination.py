"""How long a brought network's examination takes, and whether it cries wolf: torchvision's large
networks with random weights, which are right in everything that can be asked of them.

    python benchmarks/examination.py [NAME[@SIDE] ...] [--threads N]

Prints, for each, its parameters, wall and processor seconds, the layer of its maps and every line
that is said. Exits with 1 where a network is refused.
"""

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch
from torchvision import models

from lib.training import examination, questions
from lib.training.network import Brought

NETWORKS = (
    "resnet18",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "vit_b_16",
    "swin_t",
    "convnext_tiny",
    "inception_v3@320",
    "googlenet",
    "resnet50",
)
CLASSES = [f"class {place}" for place in range(10)]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def examined(name: str, side: int, folder: Path) -> tuple:
    """Parameters, wall and processor seconds, the layer and the answers."""
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        network = getattr(models, name)(num_classes=len(CLASSES))
    weights = folder / f"{name}.pt"
    torch.save(network.state_dict(), weights)
    size = sum(parameter.numel() for parameter in network.parameters())
    del network
    shape = (questions.IMAGES, 3, side, side)
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    arm = Brought(network=f"torchvision.models:{name}", weights=str(weights), mean=MEAN, std=STD)
    wall, processor = time.monotonic(), time.process_time()
    case = questions.Case(arm, CLASSES, images, [ROOT])
    answers = examination.ask(case)
    seconds = time.monotonic() - wall, time.process_time() - processor
    refused = any(answer.verdict == "refused" for answer in answers)
    return size, *seconds, None if refused else case.layer, answers


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NAME[@SIDE]")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    refused = False
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            name, _, side = network.partition("@")
            size, wall, processor, layer, answers = examined(name, int(side or 224), Path(folder))
            print(
                f"{network:20} {size / 1e6:6.1f} M  {wall:5.1f} s, {processor:5.1f} s of the "
                f"processor  maps at {layer}  {examination.summary(answers)}",
                flush=True,
            )
            for answer in answers:
                if answer.line:
                    print(f"    {answer.verdict}: {answer.line}", flush=True)
                refused |= answer.verdict == "refused"
    return int(refused)


if __name__ == "__main__":
    sys.exit(main())

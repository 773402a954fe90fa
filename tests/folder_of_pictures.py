"""A folder of pictures as a user brings one: the phantom's scenes, enlarged, of differing sizes and
formats."""

from pathlib import Path

from PIL import Image

from lib.data.phantom import draw


def write(root: Path, counts: dict[str, int], classes: int = 3, sides=(64, 96, 224)) -> Path:
    """<root>/<split>/<class>/<number>.png or .jpg with `counts` pictures of each class in each
    split; returns `root`."""
    for split, count in counts.items():
        made = draw.generate(split if split in draw.SPLITS else "test", 20 * count, seed=7)
        for label in range(classes):
            folder = root / split / draw.CLASS_NAMES[label]
            folder.mkdir(parents=True)
            for number, image in enumerate(made.images[made.labels == label]):
                side = sides[number % len(sides)]
                picture = Image.fromarray(image.transpose(1, 2, 0)).resize(
                    (side + 16 * (number % 2), side), Image.Resampling.BICUBIC
                )
                picture.save(folder / f"{number:03}.{'jpg' if number % 5 == 4 else 'png'}")
    return root

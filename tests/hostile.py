"""A user whose settings are all against the project: each would end a run or change its bytes."""

import json
import os
import sys
from pathlib import Path

FALSE = json.dumps({"argv": ["/bin/false"], "display_name": "another", "language": "python"})
RAISES = "raise SystemExit('the surroundings leaked in')\n"
MATPLOTLIBRC = "text.usetex: true\naxes.facecolor: black\nsavefig.dpi: 33\nfont.size: 30\n"


def surroundings(home: Path) -> dict[str, str]:
    """Write that user's files below `home`; the environment's variables."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name, text in {
        ".config/matplotlib/matplotlibrc": MATPLOTLIBRC,
        ".config/pip/pip.conf": "[global]\nuser = true\ntarget = /nowhere\n",
        ".config/dask/dask.yaml": "distributed: [no, mapping]\n",
        ".ipython/profile_default/startup/00.py": RAISES,
        ".ipython/profile_default/ipython_kernel_config.py": RAISES,
        ".jupyter/jupyter_config.py": RAISES,
        ".local/share/jupyter/kernels/python3/kernel.json": FALSE,
        f".local/lib/{version}/site-packages/usercustomize.py": RAISES,
        "jupyter/kernels/python3/kernel.json": FALSE,
        "path/sitecustomize.py": RAISES,
        "path/numpy.py": RAISES,
        "path/lib.py": RAISES,
        "startup.py": RAISES,
        "startup.sh": "echo leaked; exit 3\n",
        # what conda's base brings, and what its libraries are to others
        "conda/lib/libstdc++.so.6": "no library\n",
        "conda/lib/libgomp.so.1": "no library\n",
        "conda/etc/fonts/fonts.conf": "no configuration\n",
    }.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "BASH_ENV": str(home / "startup.sh"),
        "CDPATH": "/",
        "COLUMNS": "10",
        "CONDA_DEFAULT_ENV": "base",
        "CONDA_EXE": str(home / "conda/bin/conda"),
        "CONDA_PREFIX": str(home / "conda"),
        "CONDA_PYTHON_EXE": "/bin/false",
        "CONDA_SHLVL": "1",
        "DASK_DISTRIBUTED__LOGGING": "[no, mapping]",
        "FONTCONFIG_FILE": str(home / "conda/etc/fonts/fonts.conf"),
        "GIT_DIR": "/nowhere",
        "IPYTHONDIR": str(home / ".ipython"),
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_RUNTIME_DIR": "/nowhere",
        "LANG": "xx_XX.ASCII",
        "LC_ALL": "xx_XX.ASCII",
        "LC_NUMERIC": "de_DE",
        "LD_LIBRARY_PATH": f"{home / 'conda/lib'}{os.pathsep}{home}",
        "MATPLOTLIBRC": str(home / ".config/matplotlib/matplotlibrc"),
        "MPLBACKEND": "qtagg",
        "MPLCONFIGDIR": str(home / ".config/matplotlib"),
        "PIP_USER": "1",
        "PYTHONHOME": "/nowhere",
        "PYTHONIOENCODING": "ascii",
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": str(home / "path"),
        "PYTHONSAFEPATH": "1",
        "PYTHONSTARTUP": str(home / "startup.py"),
        "PYTHONWARNINGS": "error",
        "TQDM_DISABLE": "1",
    }

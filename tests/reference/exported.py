#!/usr/bin/env python3
"""Weights that `aurorac export` writes, loaded by microsoft-aurora itself.

    python exported.py --aurorac TARGET/release/aurorac --recipes TARGET/release/examples/fixture_to_recipe FIXTURES...

For every fixture: the recipe is made, its checkpoint exported to .ckpt and .safetensors, and both are loaded strictly by
the package. Every weight must be, bit for bit, what the package has after loading the fixture's own checkpoint, and so
must every value of a forecast.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import torch
from safetensors.torch import load_file

import aurora
from aurora import Batch, Metadata
from aurora.normalisation import locations, scales
from aurora.rollout import rollout

warnings.filterwarnings("ignore")
torch.use_deterministic_algorithms(True)
OWN = dict(locations), dict(scales)


def build(config):
    """The model of a fixture's configuration."""
    arguments = {}
    for name, value in config["model"]["kwargs"].items():
        if name == "timestep_hours":
            arguments["timestep"] = timedelta(hours=value)
        elif name == "surf_stats":
            arguments[name] = {key: tuple(pair) for key, pair in value.items()}
        else:
            arguments[name] = tuple(value) if isinstance(value, list) else value
    torch.manual_seed(0)
    return getattr(aurora, config["model"]["class"])(**arguments).eval()


def batch_of(info, tensors):
    def fields(kind):
        prefix = f"in.{kind}."
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    meta = info["metadata"]
    times = tuple(datetime.fromtimestamp(time, timezone.utc) for time in meta["times_unix"])
    levels = tuple(meta["atmos_levels"])
    grid = tensors["in.lat"], tensors["in.lon"]
    return Batch(fields("surf"), fields("static"), fields("atmos"), Metadata(*grid, times, levels, 0))


@torch.inference_mode()
def forecast(model, info, batch):
    torch.manual_seed(7)
    how = info["config"].get("rollout") or {"steps": 1}
    if "lead_times" in how:
        return [model(batch, lead_times=torch.tensor(how["lead_times"]))]
    if how["steps"] > 1 or model.variable_lead_time:
        fine = {"fine_lead_times": how["fine_lead_times"]} if how.get("fine_lead_times") else {}
        return list(rollout(model, batch, steps=how["steps"], **fine))
    return [model(batch)]


def same(one, two):
    """Equal to the bit, and absent in the same places."""
    return torch.equal(torch.nan_to_num(one, nan=12345.0), torch.nan_to_num(two, nan=12345.0))


def check(folder, name, commands, place):
    info = json.loads((folder / f"{name}.json").read_text())
    locations.clear(), scales.clear()
    locations.update(OWN[0]), scales.update(OWN[1])
    for key, (location, scale) in info["config"].get("extra_normalisation", {}).items():
        locations[key], scales[key] = location, scale
    reference = build(info["config"])
    strict = info["load_report"]["strict"]
    reference.load_checkpoint_local(str(folder / f"{name}.ckpt"), strict=strict)
    fresh = folder / f"{name}.new_params.safetensors"
    if fresh.is_file():
        reference.load_state_dict(load_file(fresh), strict=False)

    line = subprocess.run([commands.recipes, folder, name, place], check=True, capture_output=True, text=True)
    words = line.stdout.split()
    recipe, named = words[2], [words[at + 1] for at, word in enumerate(words) if word == "--checkpoint"]
    given = [part for path in named for part in ("--checkpoint", path)]
    expected = forecast(reference, info, batch := batch_of(info, load_file(folder / f"{name}.io.safetensors")))
    for kind in ("ckpt", "safetensors"):
        path = f"{place}/{name}.{kind}"
        subprocess.run([commands.aurorac, "export", recipe, *given, "--output", path], check=True, capture_output=True)
        model = build(info["config"])
        if kind == "ckpt":
            model.load_checkpoint_local(path, strict=True)
        else:
            model.load_state_dict(load_file(path), strict=True)
        for key, value in reference.state_dict().items():
            assert torch.equal(value, model.state_dict()[key]), f"{kind}: {key}"
        for one, two in zip(expected, forecast(model, info, batch), strict=True):
            for key, value in (one.surf_vars | one.atmos_vars).items():
                assert same(value, (two.surf_vars | two.atmos_vars)[key]), f"{kind}: {key}"
    print(f"{name}: {len(reference.state_dict())} weights and {len(expected)} predictions are the same to the bit", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurorac", required=True)
    parser.add_argument("--recipes", required=True, help="the example fixture_to_recipe, built")
    parser.add_argument("fixtures", nargs="+", type=Path)
    commands = parser.parse_args()
    wrong = 0
    for folder in commands.fixtures:
        names = sorted(path.stem for path in folder.glob("*.ckpt"))
        for name in names:
            with tempfile.TemporaryDirectory() as place:
                try:
                    check(folder, name, commands, place)
                except (AssertionError, RuntimeError, subprocess.CalledProcessError) as error:
                    said = getattr(error, "stderr", None) or error
                    print(f"{name}: FAILED: {said}", flush=True)
                    wrong += 1
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""The same work in PyTorch: prints `measured WALL PROCESSOR PEAK` as the benchmark's own processes do."""

import os
import resource
import statistics
import sys
import time
from datetime import datetime, timezone

import torch
from aurora import AuroraSmallPretrained, Batch, Metadata

PASSES = 3
STEPS = 10


def batch(height, width, levels):
    surface = ("2t", "10u", "10v", "msl")
    atmosphere = ("z", "u", "v", "t", "q")
    pressures = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
    if levels < 13:
        pressures = (250, 500, 700, 850)[:levels]
    return Batch(
        surf_vars={name: torch.randn(1, 2, height, width) for name in surface},
        static_vars={name: torch.randn(height, width) for name in ("lsm", "z", "slt")},
        atmos_vars={name: torch.randn(1, 2, levels, height, width) for name in atmosphere},
        metadata=Metadata(
            lat=torch.linspace(90, -90, height + 1)[:-1],
            lon=torch.linspace(0, 360, width + 1)[:-1],
            time=(datetime(2020, 5, 20, 18, tzinfo=timezone.utc),),
            atmos_levels=pressures,
        ),
    )


def loss(prediction):
    surface = torch.stack(list(prediction.surf_vars.values()))
    atmosphere = torch.stack(list(prediction.atmos_vars.values()))
    return surface.abs().mean() + atmosphere.abs().mean()


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_bytes():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return float(line.split()[1]) * 1024


def measure(step):
    step()
    walls, processors = [], []
    for _ in range(PASSES):
        clock, before = time.perf_counter(), processor_seconds()
        step()
        walls.append(time.perf_counter() - clock)
        processors.append(processor_seconds() - before)
    return statistics.median(walls), statistics.median(processors)


def main(work, height, width, levels):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    torch.manual_seed(1)
    model = AuroraSmallPretrained()
    fields = batch(height, width, levels)
    if work == "forward":
        model.eval()

        def step():
            with torch.inference_mode():
                loss(model(fields)).item()

    elif work in ("training", "recomputed"):
        model.train()
        if work == "recomputed":
            model.configure_activation_checkpointing()

        def step():
            model.zero_grad(set_to_none=True)
            loss(model(fields)).backward()

    else:
        optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.01, fused=True)
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter) * 1e-3

        def step():
            for _ in range(STEPS):
                if work == "clipped":
                    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()

    wall, processor = measure(step)
    if work in ("adamw", "clipped"):
        wall, processor = wall / STEPS, processor / STEPS
    print("measured", wall, processor, peak_bytes())


if __name__ == "__main__":
    _, _, work, height, width, levels = sys.argv
    main(work, int(height), int(width), int(levels))

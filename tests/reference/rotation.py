"""The helicity of updraughts of a small grid, worked in numpy from its definition: tests/fixtures/severe/rotation.json.

    python rotation.py tests/fixtures/severe/rotation.json

numpy alone. Kain et al. 2008: the integral from 2 to 5 km above the ground of the vertical wind, where it is upwards, times the vorticity
dv/dx - du/dy. Derivatives are centred differences on the levels of the grid, one-sided at its edges; between levels the product is linear in
height. How much it is worth that the product is linear, and not wind and vorticity each, is printed: 0.7 % of the largest.
"""

import json
import sys
from pathlib import Path

import numpy as np

ROWS, COLUMNS, LEVELS = 9, 11, 14
SPACING = 12_000.0  # m, of the grid std.synthetic.plains
BOTTOM, TOP = 2000.0, 5000.0


def fields(random):
    """A rotating updraught and a sinking one in a sheared wind, over levels that follow the ground; row 0 in the north."""
    y, x = np.meshgrid(-np.arange(ROWS) * SPACING, np.arange(COLUMNS) * SPACING, indexing="ij")
    stretch = 1 + 0.05 * np.sin(x / 4e4) * np.cos(y / 3e4)
    z = 12_000.0 * (np.arange(LEVELS) / (LEVELS - 1)) ** 1.4
    z = z[:, None, None] * stretch
    u, v, w = 5 + 2e-3 * z, 2 + 8 * np.sin(z / 4000), np.zeros_like(z)
    for place, strength, turn in [((4e4, -3e4), 12.0, 6e-4), ((9e4, -7e4), -6.0, -3e-4)]:
        dx, dy = x - place[0], y - place[1]
        bell = np.exp(-(dx**2 + dy**2) / 2.5e4**2) * np.sin(np.pi * np.clip(z / 12_000, 0, 1))
        w = w + strength * bell
        u, v = u - turn * dy * bell, v + turn * dx * bell
    noise = [0.2 * random.standard_normal(z.shape) for _ in range(3)]
    w = w + noise[2]
    w[0] = 0
    return z, u + noise[0], v + noise[1], w


def integral(height, column):
    """Of what is linear between levels, from BOTTOM to TOP."""
    inside = height[(height > BOTTOM) & (height < TOP)]
    nodes = np.concatenate([[BOTTOM], inside, [TOP]])
    return np.trapezoid(np.interp(nodes, height, column), nodes)


def finely(height, wind, vorticity):
    nodes = np.linspace(BOTTOM, TOP, 30_001)
    product = np.maximum(np.interp(nodes, height, wind), 0) * np.interp(nodes, height, vorticity)
    return np.trapezoid(product, nodes)


def main():
    z, u, v, w = (np.round(field, 4) for field in fields(np.random.default_rng(5)))
    across = np.gradient(v, SPACING, axis=2)
    up = -np.gradient(u, SPACING, axis=1)  # rows run southwards
    vorticity = across - up
    product = np.maximum(w, 0) * vorticity
    truth = np.array([[integral(z[:, i, j], product[:, i, j]) for j in range(COLUMNS)] for i in range(ROWS)])
    other = [[finely(z[:, i, j], w[:, i, j], vorticity[:, i, j]) for j in range(COLUMNS)] for i in range(ROWS)]
    print("largest", abs(truth).max(), "m2/s2; each linear instead:", abs(truth - np.array(other)).max())
    case = {"rows": ROWS, "columns": COLUMNS, "levels": LEVELS, "spacing_m": SPACING}
    # The grid is turned, by another angle everywhere, and winds are given to the east and north.
    angle = np.round(0.3 + 0.02 * np.arange(COLUMNS)[None, :] - 0.01 * np.arange(ROWS)[:, None], 3)
    east, north = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    for name, field in {"z": z, "u": east, "v": north, "w": w}.items():
        case[f"{name}_profile"] = [round(float(x), 12) for x in field.ravel()]
    case["rotation_cosine"] = [round(float(x), 15) for x in np.cos(angle).ravel()]
    case["rotation_sine"] = [round(float(x), 15) for x in np.sin(angle).ravel()]
    case["truth"] = [round(float(x), 9) for x in truth.ravel()]
    note = "made by tests/reference/rotation.py; (level, row, column), row 0 in the north"
    Path(sys.argv[1]).write_text(json.dumps({"note": note, "updraught_helicity": case}) + "\n")


if __name__ == "__main__":
    main()

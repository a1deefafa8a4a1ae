"""How well MetPy's helicity and CAPE go with NCEP's own on the same grid: the numbers in tests/tests/severe/case3d.rs.

    python ncep.py FOLDER/cases3d

Columns are the ground (2 m, 10 m, surface pressure) and every level above it that all fields have; every seventh column from the
fourth on, in the order of the file.
"""

import sys
from pathlib import Path

import numpy as np
from metpy.calc import (
    bunkers_storm_motion,
    mixed_layer_cape_cin,
    most_unstable_cape_cin,
    storm_relative_helicity,
)
from metpy.units import units


def saturation(t):
    return 611.2 * np.exp(17.67 * (t - 273.15) / (t - 29.65))


def dewpoint(e):
    logarithm = np.log(np.maximum(e, 0.01) / 611.2)
    return 273.15 + 243.5 * logarithm / (17.67 - logarithm)


def columns(case, first=3, step=7):
    def surface(start):
        found = [case[key] for key in case.files if key.startswith(start)]
        return found[0].ravel().astype(float) if found else None

    names = ["t", "gh", "u", "v", "r"]
    sets = {name: list(case[f"{name}_levels_hPa"]) for name in names}
    shared = [p for p in sets["t"] if all(p in sets[name] for name in names)]
    fields = {
        name: np.array([case[name][sets[name].index(p)].ravel() for p in shared], float)
        for name in names
    }
    p = np.array(shared, float) * 100
    ground = {key: surface(f"sfc/{key}|") for key in ["sp", "orog", "2t", "10u", "10v", "2sh", "2r"]}
    if ground["2sh"] is not None:
        q = ground["2sh"]
        ratio = q / (1 - q)
        vapour = ratio * ground["sp"] / (0.62198 + ratio)
    else:
        vapour = ground["2r"] / 100 * saturation(ground["2t"])
    for cell in range(first, len(ground["sp"]), step):
        above = (p < ground["sp"][cell]) & (fields["gh"][:, cell] > ground["orog"][cell])
        take = lambda first, name: np.r_[first[cell], fields[name][above, cell]]
        t = take(ground["2t"], "t")
        level_vapour = fields["r"][above, cell] / 100 * saturation(fields["t"][above, cell])
        td = np.minimum(dewpoint(np.r_[vapour[cell], level_vapour]), t)
        z = np.r_[0, fields["gh"][above, cell] - ground["orog"][cell]]
        yield cell, np.r_[ground["sp"][cell], p[above]], z, t, td, take(ground["10u"], "u"), take(ground["10v"], "v")


def helicity(p, z, u, v):
    p, z, u, v = p * units.Pa, z * units.m, u * units("m/s"), v * units("m/s")
    right, _, _ = bunkers_storm_motion(p, u, v, z)
    top = 3000 * units.m
    return storm_relative_helicity(z, u, v, top, storm_u=right[0], storm_v=right[1])[2].m


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception:  # MetPy refuses some columns
        return np.nan


def main():
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        case = np.load(path)
        found = {"srh3": [], "mlcape": [], "mucape": []}
        cells = []
        for cell, p, z, t, td, u, v in columns(case):
            cells.append(cell)
            thermal = (p * units.Pa, t * units.K, td * units.K)
            found["srh3"].append(attempt(helicity, p, z, u, v))
            found["mlcape"].append(attempt(lambda: mixed_layer_cape_cin(*thermal)[0].m))
            found["mucape"].append(attempt(lambda: most_unstable_cape_cin(*thermal)[0].m))
        for name, key in [
            ("srh3", "sfc/hlcy|heightAboveGroundLayer|3000-0"),
            ("mlcape", "sfc/cape|pressureFromGroundLayer|9000-0"),
            ("mlcape", "sfc/cape|pressureFromGroundLayer|18000-0"),
            ("mucape", "sfc/cape|pressureFromGroundLayer|18000-0"),
        ]:
            if key not in case.files:
                continue
            ours, theirs = np.array(found[name]), case[key].ravel()[cells].astype(float)
            good = np.isfinite(ours) & np.isfinite(theirs)
            r = np.corrcoef(ours[good], theirs[good])[0, 1]
            print(f"{path.stem} {name} with {key}: r = {r:.5f} of {good.sum()}", flush=True)


if __name__ == "__main__":
    main()

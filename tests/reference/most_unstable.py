"""What SHARPlib makes of the surface parcel and of the one with the highest equivalent potential temperature: the numbers in
tests/tests/cli/most_unstable.rs.

    python most_unstable.py FOLDER/cases3d/nam211_20180917T00_f000.npz

SHARPlib 1.4.3, its ascent `cm1`; the equivalent potential temperature is MetPy 1.7.1's, for SHARPlib's is of saturated air. Printed are the
columns in which the surface parcel has more energy, and by how much where all its buoyant layer lies above the other's condensation
level: as energy, and as the temperature that this is between condensation and equilibrium level.
"""

import sys
import warnings

import metpy.calc as mp
import numpy as np
from metpy.units import units
from ncep import columns
from nwsspc.sharp.calc import parcel, thermo

GRAVITY, GAS = 9.80665, 287.047


def lifted(k, p, z, t, td, lifter):
    single = [np.ascontiguousarray(field, np.float32) for field in (p, z, t, td)]
    p, z, t, td = single
    around = thermo.virtual_temperature(t, thermo.mixratio(p, td))
    one = parcel.Parcel.surface_parcel(*map(float, (p[k], t[k], td[k])))
    buoyancy = (GRAVITY * (one.lift_parcel(lifter, p) - around) / around).astype(np.float32)
    one.find_lfc_el(p, z, buoyancy)
    one.cape_cinh(p, z, buoyancy)
    return one


def energy(one):
    return max(one.cape, 0.0) if np.isfinite(one.cape) else 0.0


def main():
    warnings.filterwarnings("ignore")
    lifter = parcel.lifter_cm1()
    count, higher, lacking, kelvin = 0, [], [], []
    for _, p, z, t, td, _, _ in columns(np.load(sys.argv[1]), first=0, step=1):
        count += 1
        warmth = mp.equivalent_potential_temperature(p * units.Pa, t * units.K, td * units.K).m
        k = int(np.argmax(np.where(p >= p[0] - 300e2, warmth, 0)))
        if k == 0:
            continue
        surface, most = (lifted(level, p, z, t, td, lifter) for level in (0, k))
        lack = energy(surface) - energy(most)
        if lack > 1:
            higher.append((lack, energy(surface), energy(most)))
        if energy(surface) > 0 and surface.lfc_pressure <= most.lcl_pressure:
            top = surface.eql_pressure if surface.eql_pressure > 0 else p[-1]
            lacking.append(lack)
            kelvin.append(lack / (GAS * np.log(most.lcl_pressure / top)))
    print(f"{count} columns; the surface parcel has more than 1 J/kg more in {len(higher)}")
    print("the most: {:.1f} J/kg, {:.1f} beside {:.1f}".format(*max(higher)))
    print(f"of {len(lacking)} with all of it above: at most {max(lacking):.2f} J/kg, {max(kelvin):.4f} K")


if __name__ == "__main__":
    main()

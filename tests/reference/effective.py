"""What SHARPlib and MetPy make of the effective layer of soundings: tests/fixtures/severe/effective.json.

    python effective.py FOLDER/soundings/reference_soundings.json tests/fixtures/severe/effective.json

SHARPlib 1.4.3 and MetPy 1.7.1. Neither package has all of it by the definitions of the papers, so each step is the package's own function, and
the steps are put together here as Thompson et al. 2007 and Bunkers et al. 2014 have them:

- the most unstable parcel has the highest equivalent potential temperature (MetPy's) of the lowest 300 hPa;
- the effective inflow layer is of levels whose parcels have CAPE of 100 J/kg and more and CIN of -250 J/kg and less strong, each lifted by
  the package; it ends with the last such level. SHARPlib's own function ends it with the first that is not: that is checked here;
- the downdraught is of the 100 hPa with the least equivalent potential temperature (MetPy's) in the lowest 400 hPa, cooled to its wet
  bulb in the middle and lowered by the package; its buoyancy is of virtual temperatures, as MetPy has it.
"""

import json
import sys
import warnings
from pathlib import Path

import metpy
import metpy.calc as mp
import numpy as np
from metpy.units import units
from nwsspc.sharp.calc import layer, parcel, params, thermo, winds

GRAVITY, GAS = 9.80665, 287.047
KNOT = 1852 / 3600
METPY, CM1, WOBUS = "MetPy 1.7.1", "SHARPlib 1.4.3 (cm1 lifter)", "SHARPlib 1.4.3 (wobus lifter)"


class Sounding:
    """Pa, m above the ground, K, m/s; from the ground up, each pressure once."""

    def __init__(self, given):
        take = lambda key: np.array([np.nan if x is None else x for x in given[key]], float)
        towards = np.deg2rad(take("wind_dir_deg"))
        speed = take("wind_speed_kt") * KNOT
        self.p, height = take("pressure_hPa") * 100, take("height_m_msl")
        self.z = height - height[0]
        self.t, self.td = take("temperature_C") + 273.15, take("dewpoint_C") + 273.15
        self.u, self.v = -speed * np.sin(towards), -speed * np.cos(towards)
        self.theta_e = mp.equivalent_potential_temperature(
            self.p * units.Pa, self.t * units.K, self.td * units.K
        ).m

    def most_unstable(self):
        return int(np.argmax(np.where(self.p >= self.p[0] - 30000, self.theta_e, 0)))

    def at(self, field, p):
        return np.interp(-np.log(p), -np.log(self.p), field)

    def height(self, p):
        return float(self.at(self.z, p))

    def coolest(self):
        """The middle of the layer of 100 hPa with the least mean, whose base is a level."""
        best, found = np.inf, None
        for base in self.p[self.p >= self.p[0] - 30000]:
            if base - 1e4 < self.p[-1]:
                continue
            inside = self.p[(self.p < base) & (self.p > base - 1e4)]
            edge = np.concatenate([[base], inside, [base - 1e4]])
            mean = -np.trapezoid(self.at(self.theta_e, edge), edge) / 1e4
            if mean < best:
                best, found = mean, base - 5e3
        return found

    def effective(self, cape_and_cin):
        """The first and last level of the inflow layer; nothing if no parcel qualifies."""
        first = None
        for k in np.flatnonzero(self.p >= self.p[0] - 40000):
            cape, cin = cape_and_cin(int(k))
            if cape >= 100 and cin >= -250:
                first, last = (int(k) if first is None else first), int(k)
            elif first is not None:
                break
        return None if first is None else (first, last)


class Sharplib:
    def __init__(self, sounding, lifter):
        self.s, self.lifter = sounding, lifter
        single = lambda field: np.ascontiguousarray(field, np.float32)
        self.p, self.z, self.t, self.td = map(single, [sounding.p, sounding.z, sounding.t, sounding.td])
        self.u, self.v = single(sounding.u), single(sounding.v)
        self.ratio = thermo.mixratio(self.p, self.td)
        self.tv = thermo.virtual_temperature(self.t, self.ratio)

    def risen(self, one):
        buoyancy = (GRAVITY * (one.lift_parcel(self.lifter, self.p) - self.tv) / self.tv).astype(np.float32)
        one.find_lfc_el(self.p, self.z, buoyancy)
        one.cape_cinh(self.p, self.z, buoyancy)
        if one.cape > 0 and one.eql_pressure < 0:
            one.eql_pressure = float(self.p[-1])  # still buoyant at the top: what is above nobody knows
        return one

    def from_level(self, k):
        return self.risen(parcel.Parcel.surface_parcel(*map(float, (self.p[k], self.t[k], self.td[k]))))

    def cape_and_cin(self, k):
        one = self.from_level(k)
        return (one.cape, one.cinh) if np.isfinite(one.cape) else (0.0, 0.0)

    def mixed(self):
        within = layer.PressureLayer(float(self.p[0]), float(self.p[0]) - 1e4)
        theta = thermo.theta(self.p, self.t)
        return self.risen(parcel.Parcel.mixed_layer_parcel(within, self.p, theta, self.ratio))

    def downdraught(self):
        s, source = self.s, self.s.coolest()
        cool = parcel.DowndraftParcel(source, float(s.at(s.t, source)), float(s.dewpoint_at(source)))
        below = np.append(self.p[self.p > source], np.float32(source)).astype(np.float32)
        sunk = cool.lower_parcel(self.lifter, below)
        dense = thermo.virtual_temperature(sunk, thermo.mixratio(below, sunk))
        around = np.append(self.tv[self.p > source], s.at(self.tv, source))
        return max(0.0, GAS * np.trapezoid(dense - around, np.log(below)))

    def values(self):
        s = self.s
        found = {"DCAPE": self.downdraught()}
        unstable, mixed = self.from_level(s.most_unstable()), self.mixed()
        inflow = s.effective(self.cape_and_cin)
        self.check(inflow)
        found["EIL_found"] = float(inflow is not None)
        pressures = [float(self.p[k]) for k in inflow] if inflow else [-9999.0, -9999.0]
        within = layer.PressureLayer(*pressures)
        storm = params.storm_motion_bunkers(self.p, self.z, self.u, self.v, within, unstable)
        found["eff_RM"] = [storm.u, storm.v]
        shear, helicity = 0.0, 0.0
        if inflow:
            found["EIL_base_m"], found["EIL_top_m"] = (float(s.z[k]) for k in inflow)
            end = unstable.eql_pressure
            wind = params.effective_bulk_wind_difference(self.p, self.z, self.u, self.v, within, end)
            shear = float(np.hypot(wind.u, wind.v))
            if inflow[0] != inflow[1]:
                helicity = winds.helicity(within, storm, self.p, self.u, self.v)
        found["EBWD"], found["ESRH"] = shear, helicity
        found["SCP"] = max(0.0, params.supercell_composite_parameter(max(unstable.cape, 0), helicity, shear))
        base = s.height(mixed.lcl_pressure)
        tornado = params.significant_tornado_parameter(mixed, base, helicity, shear)
        found["STP_eff"] = max(0.0, tornado) if inflow and inflow[0] == 0 else 0.0
        found["SHIP"] = self.hail(unstable)
        return found

    def hail(self, unstable):
        s = self.s
        cold = np.flatnonzero(s.t <= 273.15)[0]
        share = (s.t[cold - 1] - 273.15) / (s.t[cold - 1] - s.t[cold]) if cold else 0.0
        freezing = s.z[cold - 1] + share * (s.z[cold] - s.z[cold - 1]) if cold else 0.0
        lapse = 1000 * (s.at(s.t, 7e4) - s.at(s.t, 5e4)) / (s.height(5e4) - s.height(7e4))
        shear = winds.wind_shear(layer.HeightLayer(0, 6000), self.z, self.u, self.v)
        strength = float(np.hypot(shear.u, shear.v))
        given = map(float, (lapse, s.at(s.t, 5e4), freezing, strength))
        return params.significant_hail_parameter(unstable, *given)

    def check(self, inflow):
        """SHARPlib's own layer begins with ours and ends with the level after ours."""
        theirs = params.effective_inflow_layer(self.lifter, self.p, self.z, self.t, self.td, self.tv)
        if inflow is None:
            assert theirs.bottom < 0, theirs.bottom
        else:
            after = min(inflow[1] + 1, len(self.p) - 1)
            assert (theirs.bottom, theirs.top) == (self.p[inflow[0]], self.p[after]), (theirs.bottom, theirs.top)


class Metpy:
    def __init__(self, sounding):
        self.s = sounding
        self.p, self.z = sounding.p * units.Pa, sounding.z * units.m
        self.t, self.td = sounding.t * units.K, sounding.td * units.K
        self.u, self.v = sounding.u * units("m/s"), sounding.v * units("m/s")

    def cape_and_cin(self, k):
        cape, cin = mp.surface_based_cape_cin(self.p[k:], self.t[k:], self.td[k:])
        return cape.m, cin.m

    def equilibrium(self, k):
        """The highest place at which the parcel of level k becomes colder than the air, by virtual temperatures; m."""
        p, t, td, path = mp.parcel_profile_with_lcl(self.p[k:], self.t[k:], self.td[k:])
        base = mp.lcl(self.p[k], self.t[k], self.td[k])[0]
        ratio = mp.saturation_mixing_ratio(p, path)
        ratio[p >= base] = mp.saturation_mixing_ratio(self.p[k], self.td[k])
        warm = mp.virtual_temperature(path, ratio) - mp.virtual_temperature_from_dewpoint(p, t, td)
        warm, log_p = warm.m_as("delta_degC"), np.log(p.m_as("Pa"))
        tops = np.flatnonzero((warm[:-1] > 0) & (warm[1:] <= 0) & (p[1:] < base))
        if warm[-1] > 0:
            return float(self.s.z[-1])
        if not len(tops):
            return None
        share = warm[tops[-1]] / (warm[tops[-1]] - warm[tops[-1] + 1])
        return self.s.height(np.exp(log_p[tops[-1]] + share * (log_p[tops[-1] + 1] - log_p[tops[-1]])))

    def downdraught(self):
        s, source = self.s, self.s.coolest()
        t, td = s.at(s.t, source) * units.K, s.dewpoint_at(source) * units.K
        cool = mp.wet_bulb_temperature(source * units.Pa, t, td)
        p = np.append(s.p[s.p > source], source)
        sunk = mp.moist_lapse(p * units.Pa, cool, source * units.Pa)
        dense = mp.virtual_temperature_from_dewpoint(p * units.Pa, sunk, sunk).m_as("K")
        around = mp.virtual_temperature_from_dewpoint(self.p, self.t, self.td).m_as("K")
        around = np.append(around[s.p > source], s.at(around, source))
        return max(0.0, GAS * np.trapezoid(dense - around, np.log(p)))

    def values(self):
        s = self.s
        found = {"DCAPE": self.downdraught()}
        inflow = s.effective(self.cape_and_cin)
        found["EIL_found"] = float(inflow is not None)
        right, _, mean = mp.bunkers_storm_motion(self.p, self.u, self.v, self.z)
        storm, top = right, self.equilibrium(s.most_unstable())
        if inflow:
            base, end = (float(s.z[k]) for k in inflow)
            found["EIL_base_m"], found["EIL_top_m"] = base, end
        if inflow and top is not None and top - base >= 3000:
            depth = 0.65 * (top - base)
            between = dict(height=self.z, bottom=base * units.m, depth=depth * units.m)
            deep = [part.m_as("m/s") for part in mp.mean_pressure_weighted(self.p, self.u, self.v, **between)]
            storm = deep * units("m/s") + right - mean
        found["eff_RM"] = [float(part) for part in storm.m_as("m/s")]
        found["EBWD"], found["ESRH"] = 0.0, 0.0
        if inflow and top is not None:
            between = dict(height=self.z, bottom=base * units.m, depth=0.5 * (top - base) * units.m)
            shear = mp.bulk_shear(self.p, self.u, self.v, **between)
            found["EBWD"] = float(np.hypot(*(part.m for part in shear)))
        if inflow and end > base:
            motion = dict(storm_u=storm[0], storm_v=storm[1])
            between = dict(bottom=base * units.m, depth=(end - base) * units.m)
            found["ESRH"] = mp.storm_relative_helicity(self.z, self.u, self.v, **between, **motion)[2].m
        return found


def dewpoint_at(sounding, p):
    """Of the mixing ratio that is linear in the logarithm of pressure, which is what lies between levels."""
    ratio = mp.mixing_ratio_from_specific_humidity(
        mp.specific_humidity_from_dewpoint(sounding.p * units.Pa, sounding.td * units.K)
    ).m_as("")
    vapour = mp.vapor_pressure(p * units.Pa, sounding.at(ratio, p) * units(""))
    return mp.dewpoint(vapour).m_as("K")


Sounding.dewpoint_at = dewpoint_at


def rounded(value):
    return [rounded(part) for part in value] if isinstance(value, list) else round(float(value), 5)


def main():
    warnings.filterwarnings("ignore")
    assert metpy.__version__ == "1.7.1", metpy.__version__
    given = json.loads(Path(sys.argv[1]).read_text())
    kept = ["name", "source", "licence", "pressure_hPa", "height_m_msl", "temperature_C", "dewpoint_C"]
    kept += ["wind_dir_deg", "wind_speed_kt"]
    out = []
    for one in given["soundings"]:
        print(one["name"], flush=True)
        sounding = Sounding(one)
        tools = {
            METPY: Metpy(sounding),
            CM1: Sharplib(sounding, parcel.lifter_cm1()),
            WOBUS: Sharplib(sounding, parcel.lifter_wobus()),
        }
        values = {}
        for name, tool in tools.items():
            values[name] = {key: rounded(value) for key, value in tool.values().items()}
            print("  ", name, values[name], flush=True)
        out.append({key: one[key] for key in kept if key in one} | {"values": values})
    lines = ",\n".join(json.dumps(one) for one in out)
    note = "effective layer, downdraught and composites; made by tests/reference/effective.py"
    Path(sys.argv[2]).write_text(f'{{"note": "{note}", "soundings": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()

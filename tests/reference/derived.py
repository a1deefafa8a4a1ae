#!/usr/bin/env python3
"""What `aurorac derive` writes, read by xarray.

    AURORAC_TEST_DATA=FOLDER python derived.py --aurorac TARGET/release/aurorac

Files of four kinds are derived to NetCDF and to Zarr. Both must decode by the CF conventions, hold the same values bit for bit,
have units that pint reads as those of the quantity, and, where they name a map, coordinates that PROJ finds at their x and y.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyproj
import xarray as xr
from metpy.units import units

FILES = [
    "rap_nam_gfs/nam.t00z.awp21100.tm00.grib2",
    "rap_nam_gfs/gfs.t12z.pgrbf120.2p5deg.grib2",
    "netcdf3d/mercator_sample.nc",
    "netcdf3d/met_em.d01.2005-08-28_12.nc",
]
ONLY = {"right_mover_u": "m/s", "right_mover_v": "m/s", "tv": "K"}


def on_its_map(data):
    """The farthest that PROJ has a point from where the file has it, in degrees; nothing without a map in metres."""
    if "crs" not in data or "x" not in data.coords:
        return None
    crs = pyproj.CRS.from_cf(data["crs"].attrs)
    back = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    longitude, latitude = back.transform(*np.meshgrid(data["x"], data["y"]))
    across = (longitude - data["longitude"].values + 180) % 360 - 180
    return max(abs(latitude - data["latitude"].values).max(), abs(across).max())


def check(aurorac, path, folder):
    outputs = [folder / "out.nc", folder / "out.zarr"]
    for output in outputs:
        arguments = ["derive", "std.severe", "--input", path, "--output", output, "--only", ",".join(ONLY)]
        subprocess.run([aurorac, *arguments], check=True, capture_output=True)
    netcdf = xr.open_dataset(outputs[0])
    zarr = xr.open_zarr(outputs[1], consolidated=False)
    assert np.issubdtype(netcdf["time"].dtype, np.datetime64) and netcdf["time"].equals(zarr["time"])
    for name, unit in ONLY.items():
        values = netcdf[name].values
        assert np.isfinite(values).all(), name
        assert np.array_equal(values, zarr[name].values), name
        assert units(netcdf[name].attrs["units"]) == units(unit), name
        assert netcdf[name].attrs["long_name"]
    apart = on_its_map(netcdf)
    assert apart is None or apart < 1e-9, apart
    return netcdf.sizes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--aurorac", required=True, type=Path)
    arguments = parser.parse_args()
    data = os.environ.get("AURORAC_TEST_DATA")
    if data is None:
        print("skipped: AURORAC_TEST_DATA is not set")
        return
    for name in FILES:
        with tempfile.TemporaryDirectory() as folder:
            print(name, dict(check(arguments.aurorac, Path(data) / "data" / name, Path(folder))))


if __name__ == "__main__":
    sys.exit(main())

"""Small files of each kind that is read, for tests that damage them: tests/fixtures/small.

One field of 12 x 9 points in each GRIB2 packing, with and without a bitmap, and the same field in NetCDF of both kinds.
`values.json` holds what ecCodes and netCDF4 read from them.
"""

import json
import pathlib
import sys

import eccodes
import netCDF4
import numpy as np

WIDTH, HEIGHT = 12, 9
PACKINGS = {
    "simple": "grid_simple",
    "complex": "grid_complex",
    "differences": "grid_complex_spatial_differencing",
    "jpeg2000": "grid_jpeg",
    "png": "grid_png",
    "ccsds": "grid_ccsds",
}
MISSING = 9999.0


def field():
    """Degrees K, a smooth field with a step in it."""
    row, column = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    return np.round(280.0 + 7.0 * np.sin(row / 3.0) + 0.5 * column + 4.0 * (column > 7), 2)


def message(packing, holes):
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    keys = {
        "centre": 7, "dataDate": 20250801, "dataTime": 600, "stepRange": "1",
        "discipline": 0, "parameterCategory": 0, "parameterNumber": 0,
        "typeOfFirstFixedSurface": 103, "scaleFactorOfFirstFixedSurface": 0, "scaledValueOfFirstFixedSurface": 2,
        "Ni": WIDTH, "Nj": HEIGHT, "latitudeOfFirstGridPointInDegrees": 44.0, "longitudeOfFirstGridPointInDegrees": 260.0,
        "latitudeOfLastGridPointInDegrees": 36.0, "longitudeOfLastGridPointInDegrees": 271.0,
        "iDirectionIncrementInDegrees": 1.0, "jDirectionIncrementInDegrees": 1.0,
    }
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    values = field().ravel()
    if holes:
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", MISSING)
        values[[0, 5, 17, 18, 19, 107]] = MISSING
    eccodes.codes_set(handle, "packingType", packing)
    eccodes.codes_set(handle, "bitsPerValue", 16 if packing == "grid_png" else 12)
    eccodes.codes_set_values(handle, values)
    return handle


def netcdf(path, kind):
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("time", None)
        file.createDimension("lat", HEIGHT)
        file.createDimension("lon", WIDTH)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "hours since 2025-08-01 00:00:00"
        time[:] = [6.0, 7.0]
        for name, units, values in [("lat", "degrees_north", 44.0 - np.arange(HEIGHT)),
                                    ("lon", "degrees_east", 260.0 + np.arange(WIDTH))]:
            variable = file.createVariable(name, "f4", (name,))
            variable.units = units
            variable[:] = values
        packed = {"zlib": True, "shuffle": True, "chunksizes": (1, 5, 6)} if kind == "NETCDF4" else {}
        t = file.createVariable("t2m", "i2", ("time", "lat", "lon"), fill_value=-9, **packed)
        t.units = "K"
        t.standard_name = "air_temperature"
        t.scale_factor = 0.01
        t.add_offset = 273.15
        t[:] = np.stack([field(), field() + 1.5])


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, packing in PACKINGS.items():
        for holes in (False, True):
            file = f"{name}{'-bitmap' if holes else ''}.grib2"
            handle = message(packing, holes)
            (folder / file).write_bytes(eccodes.codes_get_message(handle))
            read = eccodes.codes_get_values(eccodes.codes_new_from_message((folder / file).read_bytes()))
            expected[file] = [None if value == MISSING else float(value) for value in read]
    for name, kind in {"classic.nc": "NETCDF3_CLASSIC", "four.nc": "NETCDF4"}.items():
        netcdf(folder / name, kind)
        with netCDF4.Dataset(folder / name) as file:
            expected[name] = [float(value) for value in file["t2m"][:].ravel()]
    (folder / "values.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

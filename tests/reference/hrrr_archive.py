"""The fields of a synthetic archive of HRRR as ecCodes reads them, for tests/fixtures/hrrr/synthetic.json.

    aurorac data synthesize --out DIR --hours 2
    python hrrr_archive.py DIR > ../fixtures/hrrr/synthetic.json

Of every message: what it is, its grid, its times, and statistics of its values. One of the first hour's files each.
"""

import json
import pathlib
import sys

import eccodes
import numpy

KEYS = [
    "discipline", "parameterCategory", "parameterNumber", "typeOfFirstFixedSurface:l", "typeOfSecondFixedSurface:l",
    "productDefinitionTemplateNumber", "dataRepresentationTemplateNumber", "dataDate", "dataTime", "stepRange",
    "binaryScaleFactor", "totalLength", "uvRelativeToGrid", "Nx", "Ny",
]
FILES = ["hrrr.20200519/conus/hrrr.t23z.wrfsfcf01", "hrrr.20200520/conus/hrrr.t00z.wrfsfcf00", "hrrr.20200520/conus/hrrr.t00z.wrfprsf00"]


def message(handle):
    found = {}
    for key in KEYS:
        name, _, kind = key.partition(":")
        found[name] = eccodes.codes_get_long(handle, name) if kind == "l" else eccodes.codes_get(handle, name)
    values = eccodes.codes_get_values(handle)
    places = [0, values.size // 3, values.size // 2, values.size - 1]
    found["points"] = [float(values[place]) for place in places]
    found["mean"] = float(numpy.mean(values))
    found["minimum"], found["maximum"] = float(values.min()), float(values.max())
    return found


def main(folder):
    files = {}
    for name in FILES:
        path = pathlib.Path(folder, name + ".grib2")
        with open(path, "rb") as file:
            messages = []
            while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                messages.append(message(handle))
                eccodes.codes_release(handle)
        files[name + ".grib2"] = messages if "prs" not in name else messages[:12]
    json.dump({"eccodes": eccodes.__version__, "files": files}, sys.stdout, indent=None)


if __name__ == "__main__":
    main(sys.argv[1])

"""Where ecCodes has the points of HRRR's grid, and how PROJ has its columns turned from north.

    python hrrr_grid.py FOLDER/hrrr/hrrr.t06z.wrfsfcf01-UGRD.grib2 tests/fixtures/grid/hrrr.json [ALL]

writes some hundred points of it: corners, edges, both sides of the central meridian, the rest by chance of a fixed seed. With ALL, a file
of 64-bit numbers, little endian, gets the latitudes, longitudes and angles of all points, north-western first: what the test
`every_point_of_hrrr` compares (`AURORAC_HRRR_POINTS=ALL cargo test … -- --ignored every_point_of_hrrr`).

eccodes 2.50.0, pyproj 3.7.2. The angle is that of the columns from north, positive to the east, by PROJ's inverse a hundred metres to
either side of a point along its row. Both packages carry a PROJ of their own, so each runs in a process of its own.
"""

import json
import multiprocessing
import sys

import numpy as np

# Half the way between the points whose difference makes the angle.
STEP = 100.0


def points(file):
    import eccodes

    with open(file, "rb") as stream:
        message = eccodes.codes_grib_new_from_file(stream)
    size = [eccodes.codes_get(message, key) for key in ("Nj", "Ni")]
    shaped = lambda key: eccodes.codes_get_array(message, key).reshape(size)[::-1]
    latitude, longitude = shaped("latitudes"), shaped("longitudes") % 360
    first = [eccodes.codes_get(message, key) for key in ("latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees")]
    return latitude, longitude, first, eccodes.__version__


def angles(shape, first):
    import pyproj

    projection = pyproj.Proj("+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229 +units=m +no_defs")
    west, south = projection(first[1], first[0])
    rows, columns = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    x, y = west + 3000.0 * columns, south + 3000.0 * (shape[0] - 1 - rows)
    left, below = projection(x - STEP, y, inverse=True)
    right, above = projection(x + STEP, y, inverse=True)
    middle = np.deg2rad(projection(x, y, inverse=True)[1])
    return np.arctan2(-np.deg2rad(above - below), np.deg2rad(right - left) * np.cos(middle)), pyproj.__version__


def main():
    file, fixture, *everything = sys.argv[1:]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as alone:
        latitude, longitude, first, eccodes = alone.apply(points, (file,))
        angle, pyproj = alone.apply(angles, (latitude.shape, first))
    height, width = latitude.shape
    middle = int(np.argmin(np.abs(longitude[height // 2] - 262.5)))
    rows = [0, 1, height // 3, height // 2, height - 2, height - 1]
    columns = [0, 1, width // 4, middle - 1, middle, middle + 1, 3 * width // 4, width - 2, width - 1]
    chance = np.random.default_rng(0)
    chosen = [(row, column) for row in rows for column in columns]
    chosen += [(int(chance.integers(height)), int(chance.integers(width))) for _ in range(250)]
    table = [[row, column, latitude[row, column], longitude[row, column], angle[row, column]] for row, column in chosen]
    text = ",\n".join(json.dumps(line) for line in table)
    with open(fixture, "w") as stream:
        stream.write('{"eccodes": "%s", "pyproj": "%s", "points": [\n%s\n]}\n' % (eccodes, pyproj, text))
    if everything:
        np.stack([latitude, longitude, angle]).astype("<f8").tofile(everything[0])


if __name__ == "__main__":
    main()

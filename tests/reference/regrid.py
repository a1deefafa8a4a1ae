"""Fields of one grid on the points of another, by PROJ and scipy: the fixture tests/fixtures/grid/regrid.json.

    python regrid.py tests/fixtures/grid/regrid.json

pyproj 3.7.2, scipy 1.17.1, on the sphere of 6 371 229 m. Bilinear values are `scipy.ndimage.map_coordinates` of order 1 at the rows and
columns that PROJ gives; means over cells are sums over 400 by 400 points of each cell of the target, weighted by their area on the sphere.
"""

import json
import sys

import numpy as np
import pyproj
from scipy.ndimage import map_coordinates

SPHERE = "+R=6371229 +units=m +no_defs"
# Points of a cell's side.
FINE = 400


class Lambert:
    def __init__(self, latitude, longitude, width, height, spacing):
        self.projection = pyproj.Proj(f"+proj=lcc +lat_1={latitude} +lat_0={latitude} +lon_0={longitude} {SPHERE}")
        self.shape, self.spacing = (height, width), spacing
        self.plan = {"lambert": {"latitude": latitude, "longitude": longitude}}

    def locate(self, latitude, longitude):
        x, y = self.projection(longitude, latitude)
        height, width = self.shape
        return (height - 1) / 2 - y / self.spacing, x / self.spacing + (width - 1) / 2

    def geographic(self, row, column):
        height, width = self.shape
        x, y = (column - (width - 1) / 2) * self.spacing, ((height - 1) / 2 - row) * self.spacing
        longitude, latitude = self.projection(x, y, inverse=True)
        return latitude, longitude

    def area(self, row, column):
        latitude, longitude = self.geographic(row, column)
        return self.projection.get_factors(longitude, latitude).areal_scale ** -1


class Degrees:
    def __init__(self, north, west, step, width, height):
        self.north, self.west, self.step, self.shape = north, west, step, (height, width)
        self.spacing = step * 111_198
        self.plan = {"lat_lon": {"north": north, "west": west, "step": step}}

    def locate(self, latitude, longitude):
        return (self.north - latitude) / self.step, (longitude % 360 - self.west) / self.step

    def geographic(self, row, column):
        return self.north - row * self.step, self.west + column * self.step

    def area(self, row, column):
        return np.cos(np.deg2rad(self.geographic(row, column)[0])) + 0 * column


def field(shape):
    row, column = np.indices(shape)
    return ((row * 31 + column * 17) % 97) / 97.0


def bilinear(source, target):
    row, column = np.indices(target.shape, dtype=float)
    at = source.locate(*target.geographic(row, column))
    return map_coordinates(field(source.shape), at, order=1, cval=np.nan)


def mean(source, target):
    values = field(source.shape)
    offset = (np.arange(FINE) + 0.5) / FINE - 0.5
    down, right = np.meshgrid(offset, offset, indexing="ij")
    result = np.full(target.shape, np.nan)
    for row, column in np.ndindex(target.shape):
        y, x = source.locate(*target.geographic(row + down, column + right))
        y, x = np.floor(y + 0.5).astype(int), np.floor(x + 0.5).astype(int)
        on = (y >= 0) & (y < values.shape[0]) & (x >= 0) & (x < values.shape[1])
        weight = target.area(row + down, column + right) * on
        if on.mean() > 0.55:
            result[row, column] = (values[np.where(on, y, 0), np.where(on, x, 0)] * weight).sum() / weight.sum()
        elif on.mean() > 0.45:
            result[row, column] = -1  # too near a half to say
    return result


def main():
    lambert = Lambert(38.5, -97.5, 40, 30, 30_000)
    pairs = [
        (lambert, Degrees(41.0, 258.0, 0.75, 14, 9)),
        (lambert, Lambert(41.0, -95.0, 12, 10, 70_000)),
        (Degrees(50.0, 250.0, 0.5, 60, 50), Lambert(38.5, -97.5, 14, 12, 90_000)),
    ]
    plain = lambda values: [None if np.isnan(value) else round(float(value), 9) for value in values.ravel()]
    describe = lambda grid: {"projection": grid.plan, "height": grid.shape[0], "width": grid.shape[1], "spacing": grid.spacing}
    cases = [
        {"from": describe(source), "to": describe(target), "bilinear": plain(bilinear(source, target)), "mean": plain(mean(source, target))}
        for source, target in pairs
    ]
    with open(sys.argv[1], "w") as stream:
        stream.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()

"""Latitudes and rotations of grids by PROJ: the tables in runtime/src/data/of_grid.rs and, of flattened Earths,
runtime/src/data/grib/corners.rs.

    python grid.py

pyproj 3.7.2, on the sphere of 6 371 229 m. A grid's rows lead away from east by the angle that a step of a metre along them has on the
sphere, taken of PROJ's own inverse to either side of the point.
"""

import numpy as np
import pyproj

SPHERE = "+R=6371229 +units=m +no_defs"
# Projection, columns, rows, spacing; of each grid three points: the north-western one, one between, the south-eastern one.
GRIDS = {
    "lambert 38.5 -97.5": ("+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5", 60, 40, 50_000),
    "lambert -34 138": ("+proj=lcc +lat_1=-34 +lat_0=-34 +lon_0=138", 40, 30, 30_000),
    "mercator 20 179": ("+proj=merc +lat_ts=20 +lon_0=179", 50, 30, 20_000),
    "stereographic 60 -150": ("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-150", 30, 20, 90_000),
}


# Of 60 by 40 points 50 km apart: the map, and the south-western point in degrees.
FLATTENED = {
    "lambert 30 60, GRS 80": ("+proj=lcc +lat_1=30 +lat_2=60 +lat_0=30 +lon_0=-95 +a=6378137 +b=6356752.314", 28.0, 245.0),
    "stereographic -71 0, WGS 84": ("+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +a=6378137 +b=6356752.314245", -62.0, 300.0),
    "mercator 20, IAU 1965": ("+proj=merc +lat_ts=20 +lon_0=0 +a=6378160 +b=6356775", -5.0, 100.0),
}


def flattened():
    for name, (text, latitude, longitude) in FLATTENED.items():
        projection = pyproj.Proj(text + " +units=m +no_defs")
        west, south = projection(longitude, latitude)
        east, north = west + 59 * 50_000, south + 39 * 50_000
        corners = [projection(x, y, inverse=True) for x, y in [(west, south), (east, south), (west, north), (east, north)]]
        factors = projection.get_factors(*corners[3])
        print(name)
        print("    [" + ", ".join(f"({latitude:.9f}, {longitude % 360:.9f})" for longitude, latitude in corners) + "],")
        print(f"    {np.deg2rad(factors.meridian_convergence):.10f}")


def turned(projection, x, y):
    """The unit vector of a row, towards east and north."""
    (west, east), (south, north) = projection(np.array([x - 1.0, x + 1.0]), np.array([y, y]), inverse=True)
    across = (east - west + 180) % 360 - 180
    latitude = np.deg2rad((south + north) / 2)
    vector = np.array([np.deg2rad(across) * np.cos(latitude), np.deg2rad(north - south)])
    return vector / np.hypot(*vector)


def main():
    assert pyproj.__version__ == "3.7.2", pyproj.__version__
    for name, (text, columns, rows, spacing) in GRIDS.items():
        projection = pyproj.Proj(f"{text} {SPHERE}")
        # Mercator's and the stereographic plane begin elsewhere: the grid's south-western point is put somewhere on purpose.
        west, south = {
            "mercator 20 179": projection(171.0, -5.0),
            "stereographic 60 -150": projection(-175.0, 42.0),
            "lambert 38.5 -97.5": projection(-119.0, 27.0),
            "lambert -34 138": projection(131.0, -38.0),
        }[name]
        print(name, "south-west", projection(west, south, inverse=True))
        for row, column in [(0, 0), (rows // 3, columns // 2), (rows - 1, columns - 1)]:
            x, y = west + column * spacing, south + (rows - 1 - row) * spacing
            longitude, latitude = projection(x, y, inverse=True)
            east, north = turned(projection, x, y)
            print(f"    ({row}, {column}, {latitude:.7f}, {longitude % 360:.7f}, {east:.7f}, {north:.7f}),")
    flattened()


if __name__ == "__main__":
    main()

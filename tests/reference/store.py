"""Reads a training store with zarr and xarray: every array at one time, its CF metadata, its chunks and codecs.

    aurorac data prepare RECIPE            # prints STORE
    python tests/reference/store.py STORE

Ends with an error if anything is not as a user of xarray would have it.
"""

import sys

import numpy as np
import xarray as xr
import zarr


def main(path: str) -> None:
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == 3
    assert group.metadata.consolidated_metadata is not None
    described = group.attrs["aurorac"]
    dataset = xr.open_zarr(path)
    assert dataset.attrs["Conventions"].startswith("CF-")
    assert np.issubdtype(dataset.time.dtype, np.datetime64), dataset.time.dtype
    assert {"latitude", "longitude"} <= set(dataset.coords), sorted(dataset.coords)
    assert dataset.latitude.attrs["units"] == "degrees_north"
    # Row 0 is north.
    assert float(dataset.latitude[0, 0]) > float(dataset.latitude[-1, 0])
    status = dataset.status.values
    meanings = dataset.status.attrs["flag_meanings"].split()
    assert set(np.unique(status)) <= set(dataset.status.attrs["flag_values"])
    usable = np.isin(status, [meanings.index("present"), meanings.index("filled")])
    assert usable.any(), "no time is there"
    plan = described["plan"]
    kept = [f for f in plan["fields"] + plan["derived"] if f.get("kept", True)]
    for field in kept:
        array = dataset[field["name"]]
        assert array.attrs["units"] == field["units"], field["name"]
        assert array.dtype == np.float32
        assert array.dims[-2:] == ("y", "x")
        for codec in group[field["name"]].metadata.codecs:
            assert type(codec).__name__ == "ShardingCodec", codec
        inner = group[field["name"]].chunks
        # One time, for a field of a whole grid on levels takes 100 MB at each.
        values = array.isel(time=int(np.flatnonzero(usable)[0])) if "time" in array.dims else array
        finite = float(np.isfinite(values.values).mean())
        print(f"{field['name']:12s} {array.dims} {array.shape} inner chunks {inner} {finite:.4f} finite")
        assert finite > 0.5, field["name"]
    print(f"{len(kept)} fields, {usable.sum()} of {len(status)} times")


if __name__ == "__main__":
    main(sys.argv[1])

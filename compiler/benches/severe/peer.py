"""The same parameters by numba, JAX and SHARPlib, for `severe`.

    python peer.py numba|jax|sharplib FOLDER

FOLDER holds raw float32 arrays: `shape` (levels, columns, cells as text), p t r u v z on [level][column], level 0 the ground, and
the eight fields of the composites on [cell]. For each line of its input, the name of a case, it does the case once and prints
`measured WALL PROCESSOR COLUMNS`, or `absent` if it has no such case; the first round of a case, in which it compiles, is not counted.
"""

import math
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

G, RD, EPS, CP, KAPPA = 9.80665, 287.04749, 0.62197, 1005.7, 0.2854
COMPOSITES = ("mucape", "mucin", "esrh", "ebwd", "sbcape", "lcl", "srh1", "shear6")
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))


def load(folder):
    levels, columns, cells = map(int, (folder / "shape").read_text().split())
    profile = {name: np.fromfile(folder / name, np.float32).reshape(levels, columns) for name in "ptruvz"}
    composite = {name: np.fromfile(folder / name, np.float32) for name in COMPOSITES}
    return profile, composite, cells


def numba_cases(profile, composite):
    import numba
    from numba import njit, prange

    numba.set_num_threads(THREADS)
    # A column's levels side by side: what numba likes best.
    p, t, r, u, v, z = (np.ascontiguousarray(profile[name].T) for name in "ptruvz")
    columns, levels = p.shape

    @njit(fastmath=True)
    def saturated(t, p):
        e = min(611.2 * math.exp(17.67 * (t - 273.15) / (t - 29.65)), 0.5 * p)
        return EPS * e / (p - e)

    @njit(fastmath=True)
    def slope(t, p):
        rs = saturated(t, p)
        lv = 2.501e6 - 2315.0 * (t - 273.15)
        return (RD * t + lv * rs) / (CP + lv * lv * rs * EPS / (RD * t * t))

    @njit(fastmath=True)
    def ascent(t, pa, pb):
        h = math.log(pb / pa)
        pm = math.sqrt(pa * pb)
        a = slope(t, pa)
        b = slope(t + 0.5 * h * a, pm)
        c = slope(t + 0.5 * h * b, pm)
        d = slope(t + h * c, pb)
        return t + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)

    @njit(fastmath=True)
    def dense(t, r):
        return t * (1.0 + r / EPS) / (1.0 + r)

    @njit(fastmath=True)
    def condensation(t, r, p):
        e = max(r, 1e-8) * p / (EPS + r)
        line = math.log(e / 611.2)
        td = min(273.15 + 243.5 * line / (17.67 - line), t)
        return 1.0 / (1.0 / (td - 56.0) + math.log(t / td) / 800.0) + 56.0

    @njit(fastmath=True)
    def lift(p, t, r, first, p0, t0, r0):
        tl = condensation(t0, r0, p0)
        pl = min(p0, p0 * (tl / t0) ** (1.0 / KAPPA))
        before_p, before_t = p0, t0
        before_b = dense(t0, r0) - dense(t[first], r[first])
        best = segment = inhibition = lowest = 0.0
        for k in range(first + 1, p.size):
            here = p[k]
            if here >= pl:
                parcel, moisture = t0 * (here / p0) ** KAPPA, r0
            else:
                start = tl if before_p > pl else before_t
                parcel = ascent(start, min(before_p, pl), here)
                moisture = saturated(parcel, here)
            b = dense(parcel, moisture) - dense(t[k], r[k])
            depth = RD * math.log(before_p / here)
            plus = max(b, 0.0) + max(before_b, 0.0)
            minus = min(b, 0.0) + min(before_b, 0.0)
            whole = plus - minus + 1e-9
            gained, lost = 0.5 * depth * plus * plus / whole, 0.5 * depth * minus * minus / whole
            if before_b <= 0.0:
                segment = 0.0
            inhibition -= lost
            if here < pl:
                segment += gained
            if segment > best:
                best, lowest = segment, inhibition
            before_p, before_t, before_b = here, parcel, b
        return best, lowest

    @njit(parallel=True, fastmath=True)
    def parcels(p, t, r, out):
        for i in prange(p.shape[0]):
            pi, ti, ri = p[i], t[i], r[i]
            out[0, i], out[1, i] = lift(pi, ti, ri, 0, pi[0], ti[0], ri[0])
            theta = moisture = total = 0.0
            most, unstable = -1.0, 0
            for k in range(pi.size):
                if k > 0 and pi[k - 1] > pi[0] - 1e4:
                    top = max(pi[k], pi[0] - 1e4)
                    share = (pi[k - 1] - top) / (pi[k - 1] - pi[k])
                    lower, upper = ti[k - 1] * (1e5 / pi[k - 1]) ** KAPPA, ti[k] * (1e5 / pi[k]) ** KAPPA
                    weight = pi[k - 1] - top
                    theta += weight * (lower + 0.5 * share * (upper - lower))
                    moisture += weight * (ri[k - 1] + 0.5 * share * (ri[k] - ri[k - 1]))
                    total += weight
                if pi[k] >= pi[0] - 3e4:
                    tl = condensation(ti[k], ri[k], pi[k])
                    e = ri[k] * pi[k] / (EPS + ri[k])
                    dry = ti[k] * (1e5 / (pi[k] - e)) ** KAPPA * (ti[k] / tl) ** (0.28 * ri[k])
                    thetae = dry * math.exp(ri[k] * (1.0 + 0.448 * ri[k]) * (3036.0 / tl - 1.78))
                    if thetae > most:
                        most, unstable = thetae, k
            mixed = theta / total * (pi[0] / 1e5) ** KAPPA
            out[2, i], out[3, i] = lift(pi, ti, ri, 0, pi[0], mixed, moisture / total)
            out[4, i], out[5, i] = lift(pi, ti, ri, unstable, pi[unstable], ti[unstable], ri[unstable])

    @njit(fastmath=True)
    def mean(p, z, u, low, high):
        total = depth = 0.0
        for k in range(1, p.size):
            a, b = max(z[k - 1], low), min(z[k], high)
            if b > a:
                span = z[k] - z[k - 1]
                first, last = (a - z[k - 1]) / span, (b - z[k - 1]) / span
                pa, pb = p[k - 1] + first * (p[k] - p[k - 1]), p[k - 1] + last * (p[k] - p[k - 1])
                ua, ub = u[k - 1] + first * (u[k] - u[k - 1]), u[k - 1] + last * (u[k] - u[k - 1])
                total += 0.5 * (ua + ub) * (pa - pb)
                depth += pa - pb
        return total / depth

    @njit(fastmath=True)
    def at(z, u, where):
        for k in range(1, z.size):
            if z[k] >= where:
                return u[k - 1] + (u[k] - u[k - 1]) * (where - z[k - 1]) / (z[k] - z[k - 1])
        return u[-1]

    @njit(fastmath=True)
    def helicity(z, u, v, cu, cv, top):
        total = 0.0
        for k in range(1, z.size):
            if z[k - 1] >= top:
                break
            share = min(1.0, (top - z[k - 1]) / (z[k] - z[k - 1]))
            total += share * ((u[k] - cu) * (v[k - 1] - cv) - (u[k - 1] - cu) * (v[k] - cv))
        return total

    @njit(parallel=True, fastmath=True)
    def winds(p, z, u, v, out):
        for i in prange(p.shape[0]):
            pi, zi, ui, vi = p[i], z[i], u[i], v[i]
            su = mean(pi, zi, ui, 5500.0, 6000.0) - mean(pi, zi, ui, 0.0, 500.0)
            sv = mean(pi, zi, vi, 5500.0, 6000.0) - mean(pi, zi, vi, 0.0, 500.0)
            size = max(math.sqrt(su * su + sv * sv), 1e-6)
            cu = mean(pi, zi, ui, 0.0, 6000.0) + 7.5 * sv / size
            cv = mean(pi, zi, vi, 0.0, 6000.0) - 7.5 * su / size
            out[0, i], out[1, i] = cu, cv
            out[2, i] = math.hypot(at(zi, ui, 6000.0) - ui[0], at(zi, vi, 6000.0) - vi[0])
            out[3, i] = helicity(zi, ui, vi, cu, cv, 1000.0)
            out[4, i] = helicity(zi, ui, vi, cu, cv, 3000.0)

    @njit(parallel=True, fastmath=True)
    def composites(mucape, mucin, esrh, ebwd, sbcape, lcl, srh1, shear6, out):
        for i in prange(mucape.size):
            shear = 0.0 if ebwd[i] < 10.0 else min(ebwd[i] / 20.0, 1.0)
            calm = 1.0 if mucin[i] > -40.0 else -40.0 / mucin[i]
            out[0, i] = mucape[i] / 1000.0 * max(esrh[i], 0.0) / 50.0 * shear * calm
            deep = 0.0 if shear6[i] < 12.5 else min(shear6[i] / 20.0, 1.5)
            cloud = min(max((2000.0 - lcl[i]) / 1000.0, 0.0), 1.0)
            out[1, i] = sbcape[i] / 1500.0 * cloud * max(srh1[i], 0.0) / 150.0 * deep
            out[2, i] = sbcape[i] * srh1[i] / 160000.0
            out[3, i] = mucape[i] / max(0.5 * shear6[i] * shear6[i], 0.1)

    fields = [composite[name] for name in COMPOSITES]
    results = np.empty((4, fields[0].size), np.float32)
    six, five = np.empty((6, columns), np.float32), np.empty((5, columns), np.float32)
    return {
        "composites": lambda: composites(*fields, results),
        "winds": lambda: winds(p, z, u, v, five),
        "parcels": lambda: parcels(p, t, r, six),
    }, columns


def jax_cases(profile, composite):
    import jax
    import jax.numpy as jnp
    from jax import lax

    p, t, r, u, v, z = (jnp.asarray(profile[name]) for name in "ptruvz")
    columns = p.shape[1]

    def saturated(t, p):
        e = jnp.minimum(611.2 * jnp.exp(17.67 * (t - 273.15) / (t - 29.65)), 0.5 * p)
        return EPS * e / (p - e)

    def slope(t, p):
        rs = saturated(t, p)
        lv = 2.501e6 - 2315.0 * (t - 273.15)
        return (RD * t + lv * rs) / (CP + lv * lv * rs * EPS / (RD * t * t))

    def ascent(t, pa, pb):
        h, pm = jnp.log(pb / pa), jnp.sqrt(pa * pb)
        a = slope(t, pa)
        b = slope(t + 0.5 * h * a, pm)
        c = slope(t + 0.5 * h * b, pm)
        d = slope(t + h * c, pb)
        return t + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)

    def dense(t, r):
        return t * (1.0 + r / EPS) / (1.0 + r)

    def condensation(t, r, p):
        line = jnp.log(jnp.maximum(r, 1e-8) * p / (EPS + r) / 611.2)
        td = jnp.minimum(273.15 + 243.5 * line / (17.67 - line), t)
        return 1.0 / (1.0 / (td - 56.0) + jnp.log(t / td) / 800.0) + 56.0

    def lift(p, t, r, p0, t0, r0):
        tl = condensation(t0, r0, p0)
        pl = jnp.minimum(p0, p0 * (tl / t0) ** (1.0 / KAPPA))

        def step(state, level):
            before_p, before_t, before_b, best, segment, inhibition, lowest = state
            here, warm, moist = level
            active = here < p0
            start = jnp.where(before_p > pl, tl, before_t)
            wet = ascent(start, jnp.minimum(before_p, pl), jnp.minimum(here, pl))
            cloudy = here < pl
            parcel = jnp.where(cloudy, wet, t0 * (here / p0) ** KAPPA)
            b = dense(parcel, jnp.where(cloudy, saturated(parcel, here), r0)) - dense(warm, moist)
            depth = RD * jnp.log(before_p / here)
            plus = jnp.maximum(b, 0.0) + jnp.maximum(before_b, 0.0)
            minus = jnp.minimum(b, 0.0) + jnp.minimum(before_b, 0.0)
            whole = plus - minus + 1e-9
            gained, lost = 0.5 * depth * plus * plus / whole, 0.5 * depth * minus * minus / whole
            segment = jnp.where(before_b <= 0.0, 0.0, segment) + jnp.where(cloudy, gained, 0.0)
            inhibition = inhibition - lost
            lowest = jnp.where(segment > best, inhibition, lowest)
            best = jnp.maximum(segment, best)
            after = (here, parcel, b, best, segment, inhibition, lowest)
            return tuple(jnp.where(active, new, old) for new, old in zip(after, state)), None

        zero = jnp.zeros_like(p0)
        state, _ = lax.scan(step, (p0, t0, zero, zero, zero, zero, zero), (p, t, r))
        return state[3], state[6]

    @jax.jit
    def parcels(p, t, r):
        surface = lift(p, t, r, p[0], t[0], r[0])
        top = p[0] - 1e4
        share = jnp.clip((p[:-1] - top) / (p[:-1] - p[1:]), 0.0, 1.0)
        weight = share * (p[:-1] - p[1:])
        theta = t * (1e5 / p) ** KAPPA
        middle = lambda x: jnp.sum(weight * (x[:-1] + 0.5 * share * (x[1:] - x[:-1])), 0) / jnp.sum(weight, 0)
        mixed = lift(p, t, r, p[0], middle(theta) * (p[0] / 1e5) ** KAPPA, middle(r))
        tl = condensation(t, r, p)
        e = r * p / (EPS + r)
        dry = t * (1e5 / (p - e)) ** KAPPA * (t / tl) ** (0.28 * r)
        thetae = dry * jnp.exp(r * (1.0 + 0.448 * r) * (3036.0 / tl - 1.78))
        most = jnp.argmax(jnp.where(p >= p[0] - 3e4, thetae, 0.0), 0)[None]
        pick = lambda x: jnp.take_along_axis(x, most, 0)[0]
        return surface, mixed, lift(p, t, r, pick(p), pick(t), pick(r))

    value = jax.jit(lambda p, t, r: lift(p, t, r, p[0], t[0], r[0])[0].sum())
    gradient = jax.jit(jax.value_and_grad(lambda p, t, r: lift(p, t, r, p[0], t[0], r[0])[0].sum(), (0, 1, 2)))

    @jax.jit
    def winds(p, z, u, v):
        def mean(x, low, high):
            span = z[1:] - z[:-1]
            first = jnp.clip((low - z[:-1]) / span, 0.0, 1.0)
            last = jnp.clip((high - z[:-1]) / span, 0.0, 1.0)
            between = lambda y, share: y[:-1] + share * (y[1:] - y[:-1])
            depth = between(p, first) - between(p, last)
            return jnp.sum(0.5 * (between(x, first) + between(x, last)) * depth, 0) / jnp.sum(depth, 0)

        def at(x, where):
            share = jnp.clip((where - z[:-1]) / (z[1:] - z[:-1]), 0.0, 1.0)
            return x[0] + jnp.sum(share * (x[1:] - x[:-1]), 0)

        def helicity(cu, cv, top):
            share = jnp.clip((top - z[:-1]) / (z[1:] - z[:-1]), 0.0, 1.0)
            return jnp.sum(share * ((u[1:] - cu) * (v[:-1] - cv) - (u[:-1] - cu) * (v[1:] - cv)), 0)

        su = mean(u, 5500.0, 6000.0) - mean(u, 0.0, 500.0)
        sv = mean(v, 5500.0, 6000.0) - mean(v, 0.0, 500.0)
        size = jnp.maximum(jnp.hypot(su, sv), 1e-6)
        cu, cv = mean(u, 0.0, 6000.0) + 7.5 * sv / size, mean(v, 0.0, 6000.0) - 7.5 * su / size
        shear = jnp.hypot(at(u, 6000.0) - u[0], at(v, 6000.0) - v[0])
        return cu, cv, shear, helicity(cu, cv, 1000.0), helicity(cu, cv, 3000.0)

    @jax.jit
    def composites(mucape, mucin, esrh, ebwd, sbcape, lcl, srh1, shear6):
        shear = jnp.where(ebwd < 10.0, 0.0, jnp.minimum(ebwd / 20.0, 1.0))
        calm = jnp.where(mucin > -40.0, 1.0, -40.0 / mucin)
        deep = jnp.where(shear6 < 12.5, 0.0, jnp.minimum(shear6 / 20.0, 1.5))
        cloud = jnp.clip((2000.0 - lcl) / 1000.0, 0.0, 1.0)
        return (
            mucape / 1000.0 * jnp.maximum(esrh, 0.0) / 50.0 * shear * calm,
            sbcape / 1500.0 * cloud * jnp.maximum(srh1, 0.0) / 150.0 * deep,
            sbcape * srh1 / 160000.0,
            mucape / jnp.maximum(0.5 * shear6 * shear6, 0.1),
        )

    fields = [jnp.asarray(composite[name]) for name in COMPOSITES]
    done = jax.block_until_ready
    return {
        "composites": lambda: done(composites(*fields)),
        "winds": lambda: done(winds(p, z, u, v)),
        "parcels": lambda: done(parcels(p, t, r)),
        "surface": lambda: done(value(p, t, r)),
        "gradient": lambda: done(gradient(p, t, r)),
    }, columns


def sharplib_cases(profile, composite):
    from nwsspc.sharp.calc import params, parcel, thermo, winds
    from nwsspc.sharp.calc.layer import HeightLayer, PressureLayer

    columns = 500
    p, t, r, u, v, z = (np.ascontiguousarray(profile[name].T[:columns]) for name in "ptruvz")
    e = r * p / (np.float32(EPS) + r)
    line = np.log(e / 611.2)
    td = np.minimum(273.15 + 243.5 * line / (17.67 - line), t).astype(np.float32)
    lifter = parcel.lifter_cm1()

    def parcels():
        for i in range(columns):
            tv = thermo.virtual_temperature(t[i], r[i])
            theta = thermo.theta(p[i], t[i])
            some = (
                parcel.Parcel.surface_parcel(p[i][0], t[i][0], td[i][0]),
                parcel.Parcel.mixed_layer_parcel(PressureLayer(p[i][0], p[i][0] - 1e4), p[i], theta, r[i]),
                parcel.Parcel.most_unstable_parcel(
                    PressureLayer(p[i][0], p[i][0] - 3e4), lifter, p[i], z[i], t[i], tv, td[i]
                ),
            )
            for one in some:
                path = one.lift_parcel(lifter, p[i])
                buoyancy = thermo.buoyancy(path, tv)
                one.cape_cinh(p[i], z[i], buoyancy)

    def wind():
        for i in range(columns):
            motion = params.storm_motion_bunkers(
                p[i], z[i], u[i], v[i], HeightLayer(0.0, 6000.0), HeightLayer(0.0, 6000.0), False, False
            )
            winds.wind_shear(HeightLayer(0.0, 6000.0), z[i], u[i], v[i])
            winds.helicity(HeightLayer(0.0, 1000.0), motion, z[i], u[i], v[i])
            winds.helicity(HeightLayer(0.0, 3000.0), motion, z[i], u[i], v[i])

    return {"winds": wind, "parcels": parcels}, columns


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(name, folder):
    profile, composite, cells = load(Path(folder))
    make = {"numba": numba_cases, "jax": jax_cases, "sharplib": sharplib_cases}[name]
    cases, columns = make(profile, composite)
    warm = set()
    for line in sys.stdin:
        case = line.strip()
        work = cases.get(case)
        if work is None:
            print("absent", flush=True)
            continue
        if case not in warm:
            work()
            warm.add(case)
        clock, before = time.perf_counter(), processor_seconds()
        work()
        wall, processor = time.perf_counter() - clock, processor_seconds() - before
        print("measured", wall, processor, cells if case == "composites" else columns, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

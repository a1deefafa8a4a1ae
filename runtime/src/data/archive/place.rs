//! From a line of `site.toml` to an archive: what lies at a place is told by what is there, or by the line.

use std::path::Path;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::cf::Cf;
use super::hrrr::Hrrr;
use super::hrrr::layout::Domain;
use super::hrrr_zarr::HrrrZarr;
use super::{Archive, DataError};
use crate::data::files::{self, Files};
use crate::data::netcdf::NetCdf;
use crate::data::wrf::Wrf;

/// `"/data/hrrr"`, or `{ place = "/data/hrrr", layout = "hrrr", domain = "alaska" }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub place: String,
    pub layout: Option<Layout>,
    /// Of HRRR.
    pub domain: Option<Domain>,
    /// Of a bucket of S3.
    pub region: Option<String>,
    /// The server of a bucket, where it is not Amazon's.
    pub endpoint: Option<String>,
}

/// What lies at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// NOAA's folders of HRRR in GRIB2.
    Hrrr,
    /// A file of WRF's output.
    Wrf,
    /// A file, a folder of NetCDF files or a Zarr store by the CF conventions.
    Cf,
    /// The University of Utah's HRRR-Zarr.
    #[serde(rename = "hrrr-zarr")]
    HrrrZarr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    place: String,
    layout: Option<Layout>,
    domain: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
}

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Placed, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Placed;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(
                    "a place such as \"/data/hrrr\", or { place = \"/data/hrrr\", layout = \"hrrr\" }",
                )
            }

            fn visit_str<E: serde::de::Error>(self, place: &str) -> Result<Placed, E> {
                Ok(Placed {
                    place: place.to_string(),
                    layout: None,
                    domain: None,
                    region: None,
                    endpoint: None,
                })
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Placed, M::Error> {
                let Table { place, layout, domain, region, endpoint } =
                    Table::deserialize(MapAccessDeserializer::new(map))?;
                let domain = match domain.as_deref() {
                    None => None,
                    Some(name) => Some(Domain::read(name).ok_or_else(|| {
                        serde::de::Error::custom(format!(
                            "`domain` is \"conus\" or \"alaska\", not \"{name}\""
                        ))
                    })?),
                };
                Ok(Placed { place, layout, domain, region, endpoint })
            }
        }
        from.deserialize_any(Either)
    }
}

impl Placed {
    /// Opens the archive `name`; a folder or a file is looked for from `base`. What is fetched of a server is kept in
    /// `cache`, over so many connections at a time.
    ///
    /// # Errors
    /// A place where nothing is, where something else is than the line says, or that cannot be read.
    pub fn open(
        &self,
        name: &str,
        base: &Path,
        cache: &Path,
        connections: Option<usize>,
    ) -> Result<Box<dyn Archive>, DataError> {
        let layout = match self.layout {
            Some(layout) => layout,
            None => self.told(base)?,
        };
        let served = self.place.contains("://");
        match layout {
            Layout::Wrf if served => Err(DataError::Archive(format!(
                "{}: archives of the layout `wrf` are read from disks only: fetch the files, and name their folder",
                self.place
            ))),
            Layout::Cf if served => Ok(Box::new(Cf::served(name, self.files(base, cache, connections)?)?)),
            Layout::Wrf => Ok(Box::new(Wrf::open(&base.join(&self.place))?)),
            Layout::Cf => Ok(Box::new(Cf::open(name, &base.join(&self.place))?)),
            Layout::HrrrZarr if self.domain.is_some_and(|domain| domain != Domain::Conus) => {
                Err(DataError::Archive(format!("{}: HRRR-Zarr has the domain `conus` only", self.place)))
            }
            Layout::HrrrZarr => Ok(Box::new(HrrrZarr::open(name, self.files(base, cache, connections)?)?)),
            Layout::Hrrr => {
                let domain = self.domain.unwrap_or(Domain::Conus);
                Ok(Box::new(Hrrr::open(name, self.files(base, cache, connections)?, domain)?))
            }
        }
    }

    /// The files of a place.
    fn files(
        &self,
        base: &Path,
        cache: &Path,
        connections: Option<usize>,
    ) -> Result<Arc<dyn Files>, DataError> {
        let usual = files::Settings::default();
        let settings = files::Settings {
            connections: connections.unwrap_or(usual.connections),
            region: self.region.clone(),
            endpoint: self.endpoint.clone(),
            ..usual
        };
        files::open(&self.place, base, cache, &settings)
            .map_err(|error| DataError::Archive(error.to_string()))
    }

    /// What lies at the place, by what is there.
    fn told(&self, base: &Path) -> Result<Layout, DataError> {
        if self.place.contains("://") {
            let last = self.place.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            return Ok(match last {
                "hrrrzarr" => Layout::HrrrZarr,
                // Of version 3 some end in `.zarr-v3`.
                _ if last.contains(".zarr") => Layout::Cf,
                _ => Layout::Hrrr,
            });
        }
        let path = base.join(&self.place);
        let about = std::fs::metadata(&path).map_err(|source| DataError::File {
            what: "cannot read",
            path: path.clone(),
            source,
        })?;
        if about.is_file() {
            let wrf = NetCdf::open(&path).is_ok_and(|file| file.variable("PB").is_some());
            return Ok(if wrf { Layout::Wrf } else { Layout::Cf });
        }
        let list = std::fs::read_dir(&path).map_err(|source| DataError::File {
            what: "cannot read",
            path: path.clone(),
            source,
        })?;
        let day = |name: &str| name.strip_prefix("hrrr.").is_some_and(|day| day.len() == 8);
        let names: Vec<String> =
            list.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        if names.iter().any(|name| day(name)) {
            return Ok(Layout::Hrrr);
        }
        let mark = ["zarr.json", ".zgroup", ".zmetadata"];
        if names.iter().any(|name| name == "sfc") && !names.iter().any(|name| mark.contains(&name.as_str())) {
            return Ok(Layout::HrrrZarr);
        }
        Ok(Layout::Cf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(place: &str, layout: Option<Layout>) -> Placed {
        Placed { place: place.into(), layout, domain: None, region: None, endpoint: None }
    }

    #[test]
    fn files_of_wrf_are_not_read_from_servers() {
        let place = "gs://weather/wrfout_d01.nc";
        let placed = placed(place, Some(Layout::Wrf));
        let said = placed.open("wrf", Path::new("."), Path::new("cache"), None).err().unwrap().to_string();
        assert!(said.contains(place) && said.contains("`wrf`") && said.contains("from disks only"), "{said}");
    }

    #[test]
    fn a_store_on_a_server_is_told_by_its_name() {
        for (place, layout) in [
            ("gs://gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3", Layout::Cf),
            ("https://example.org/era5.zarr/", Layout::Cf),
            ("s3://noaa-hrrr-bdp-pds", Layout::Hrrr),
            ("s3://hrrrzarr", Layout::HrrrZarr),
            ("s3://example.zarr.org/hrrr", Layout::Hrrr),
        ] {
            assert_eq!(placed(place, None).told(Path::new(".")).unwrap(), layout, "{place}");
        }
    }
}

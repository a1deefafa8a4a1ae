//! Addresses of places, and the clients that speak to them.
//!
//! S3 and Google's storage are read without signing in unless the environment holds credentials (`AWS_ACCESS_KEY_ID` and
//! its like; `GOOGLE_APPLICATION_CREDENTIALS`): the archives that people read are public. TLS is that of rustls with ring.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::client::HttpConnector;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, HeaderMap, HeaderValue, ObjectStore, RetryConfig};

use super::connector::{Connector, Pause};
use super::pages::Pages;
use super::{FileError, Settings};

/// A place on a server.
#[derive(Debug)]
pub struct Address {
    /// As errors name it: no slash at its end, nothing secret in it.
    pub place: String,
    /// What tells this place from others of the same name.
    pub identity: String,
    pub store: Arc<dyn ObjectStore>,
    /// The folder in the store that is the place's root.
    pub prefix: Path,
    /// Of a web server, where it may show what it does not list.
    pub pages: Option<Pages>,
    pub pause: Pause,
}

/// The server that a location names; nothing for a folder of this machine.
///
/// # Errors
/// What begins as an address and is none.
pub fn read(location: &str, settings: &Settings) -> Result<Option<Address>, FileError> {
    let named = bucket(location, settings);
    let (location, settings) = named.as_ref().map_or((location, settings), |(at, of)| (at.as_str(), of));
    let Some((scheme, rest)) = location.split_once("://") else { return Ok(None) };
    let place = location.trim_end_matches('/').to_string();
    let fail = |place: &str, reason: String| FileError { place: place.into(), path: String::new(), reason };
    // What is said about it ends in logs.
    if rest.split('/').next().is_some_and(|host| host.contains('@')) {
        let reason = "a name and a password do not belong into an address".to_string();
        return Err(fail(&format!("{scheme}://…"), reason));
    }
    let pause = Pause::default();
    let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(fail(&place, format!("what follows `{scheme}://` is missing")));
    }
    // Twice is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = match scheme {
        "http" | "https" => web(location, settings, &pause),
        "s3" => s3(bucket, settings, &pause).map(|store| (store, None)),
        "gs" => google(bucket, settings, &pause).map(|store| (store, None)),
        other => {
            let reason = format!("`{other}://` is not known: a place is a folder, or http, https, s3 or gs");
            return Err(fail(&place, reason));
        }
    };
    let (store, pages) =
        made.map_err(|error| fail(&place, format!("the address cannot be used: {error}")))?;
    let folder = if scheme.starts_with("http") { "" } else { folder };
    let prefix = Path::parse(folder).map_err(|error| fail(&place, error.to_string()))?;
    let endpoint = if scheme == "s3" { endpoint(settings).unwrap_or_default() } else { String::new() };
    Ok(Some(Address {
        identity: format!("{place} {endpoint}").trim_end().to_string(),
        place,
        store,
        prefix,
        pages,
        pause,
    }))
}

/// A bucket that is named by the address of a web page: such an address cannot be asked for a list of what is there.
fn bucket(location: &str, settings: &Settings) -> Option<(String, Settings)> {
    let rest = location.strip_prefix("https://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let within = |scheme: &str, bucket: &str, path: &str| {
        (!bucket.is_empty()).then(|| format!("{scheme}://{bucket}/{path}").trim_end_matches('/').to_string())
    };
    let first = || path.split_once('/').unwrap_or((path, ""));
    if host == "storage.googleapis.com" {
        return Some((within("gs", first().0, first().1)?, settings.clone()));
    }
    if let Some(bucket) = host.strip_suffix(".storage.googleapis.com") {
        return Some((within("gs", bucket, path)?, settings.clone()));
    }
    // BUCKET.s3.amazonaws.com, BUCKET.s3.REGION.amazonaws.com, or the same with the bucket in the path.
    let host = host.strip_suffix(".amazonaws.com")?;
    let (bucket, region) = match host.strip_prefix("s3") {
        Some(region) => (None, region),
        None => host.rsplit_once(".s3").map(|(bucket, region)| (Some(bucket), region))?,
    };
    let region = region.strip_prefix(['.', '-']).or(region.is_empty().then_some(""))?;
    let (bucket, path) = bucket.map_or_else(first, |bucket| (bucket, path));
    let region = Some(region.to_string()).filter(|region| !region.is_empty());
    Some((
        within("s3", bucket, path)?,
        Settings { region: region.or(settings.region.clone()), ..settings.clone() },
    ))
}

type Made = object_store::Result<Arc<dyn ObjectStore>>;

fn web(
    location: &str,
    settings: &Settings,
    pause: &Pause,
) -> object_store::Result<(Arc<dyn ObjectStore>, Option<Pages>)> {
    let connector = Connector { pause: pause.clone() };
    let client = connector.connect(&options(settings))?;
    let builder = HttpBuilder::new()
        .with_url(location)
        .with_retry(never_again())
        .with_client_options(options(settings))
        .with_http_connector(connector);
    let store: Arc<dyn ObjectStore> = Arc::new(builder.build()?);
    // What the client takes is an address.
    Ok((store, Pages::new(location, client).ok()))
}

fn s3(bucket: &str, settings: &Settings, pause: &Pause) -> Made {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(never_again())
        .with_client_options(options(settings))
        .with_http_connector(Connector { pause: pause.clone() });
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint(settings) {
        builder = builder.with_endpoint(endpoint);
    }
    if !given(&["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
    {
        builder = builder.with_skip_signature(true);
    }
    Ok(Arc::new(builder.build()?))
}

/// `AWS_ENDPOINT_URL` and its kin are read by the client too; here they are part of what a place is.
fn endpoint(settings: &Settings) -> Option<String> {
    let said = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let environment =
        || said.iter().find_map(|name| std::env::var(name).ok()).filter(|text| !text.is_empty());
    settings.endpoint.clone().or_else(environment).map(|address| address.trim_end_matches('/').to_string())
}

fn google(bucket: &str, settings: &Settings, pause: &Pause) -> Made {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(never_again())
        .with_client_options(options(settings))
        .with_http_connector(Connector { pause: pause.clone() });
    if !given(&["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"]) {
        builder = builder.with_skip_signature(true);
    }
    Ok(Arc::new(builder.build()?))
}

fn given(names: &[&str]) -> bool {
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// What is tried again and when is decided in one place, which also knows of bodies that were cut short.
fn never_again() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() }
}

fn options(settings: &Settings) -> ClientOptions {
    let mut headers = HeaderMap::new();
    // Offsets are those of the file as it is.
    headers.insert("accept-encoding", HeaderValue::from_static("identity"));
    ClientOptions::new()
        .with_allow_http(true)
        .with_user_agent(HeaderValue::from_static(concat!("aurorac/", env!("CARGO_PKG_VERSION"))))
        .with_default_headers(headers)
        .with_connect_timeout(settings.patience.silence)
        .with_read_timeout(settings.patience.silence)
        .with_timeout(settings.patience.request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_by_their_beginning() {
        let settings = Settings::default();
        let place = |text: &str| {
            read(text, &settings).unwrap().map(|address| (address.place, address.prefix.to_string()))
        };
        assert_eq!(place("/data/hrrr"), None);
        assert_eq!(place("hrrr"), None);
        assert_eq!(place("s3://bucket/a/b/"), Some(("s3://bucket/a/b".into(), "a/b".into())));
        assert_eq!(place("gs://bucket"), Some(("gs://bucket".into(), String::new())));
        assert_eq!(place("https://x.test/a"), Some(("https://x.test/a".into(), String::new())));
        let wrong = |text: &str| read(text, &settings).unwrap_err().to_string();
        assert_eq!(
            wrong("ftp://x/y"),
            "ftp://x/y/: `ftp://` is not known: a place is a folder, or http, https, s3 or gs"
        );
        assert_eq!(wrong("s3:///y"), "s3:///y/: what follows `s3://` is missing");
        let secret = wrong("https://me:secret@x.test/y");
        assert!(!secret.contains("secret") && secret.contains("do not belong"), "{secret}");
    }

    /// As browsers and scripts name them.
    #[test]
    fn buckets_are_known_by_their_web_addresses() {
        let of =
            |location: &str| bucket(location, &Settings::default()).map(|(place, at)| (place, at.region));
        let place = |text: &str, region: Option<&str>| Some((text.to_string(), region.map(str::to_string)));
        assert_eq!(of("https://noaa-hrrr-bdp-pds.s3.amazonaws.com/"), place("s3://noaa-hrrr-bdp-pds", None));
        assert_eq!(
            of("https://a.b.s3.us-east-1.amazonaws.com/x/y"),
            place("s3://a.b/x/y", Some("us-east-1"))
        );
        assert_eq!(of("https://a.s3-us-west-2.amazonaws.com"), place("s3://a", Some("us-west-2")));
        assert_eq!(of("https://s3.us-west-2.amazonaws.com/a/x"), place("s3://a/x", Some("us-west-2")));
        let hrrr = "https://storage.googleapis.com/high-resolution-rapid-refresh/";
        assert_eq!(of(hrrr), place("gs://high-resolution-rapid-refresh", None));
        for other in [
            "https://x.test/a",
            "https://s3.amazonaws.com",
            "http://localhost:9000/s3",
            "s3://a",
            "https://amazonaws.com/a",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn two_servers_of_one_bucket_are_two_places() {
        let other = Settings { endpoint: Some("http://localhost:9000/".into()), ..Settings::default() };
        let of = |settings: &Settings| read("s3://bucket", settings).unwrap().unwrap().identity;
        assert_eq!(of(&Settings::default()), "s3://bucket");
        assert_eq!(of(&other), "s3://bucket http://localhost:9000");
    }
}

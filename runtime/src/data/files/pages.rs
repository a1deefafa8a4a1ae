//! The index pages of a web server: fetched, within bounds, and read (`index_page.rs`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use reqwest::Url;

use super::index_page::{Link, links};
use super::server::{Attempt, Trouble, judged_by_cause};

/// The longest page that is read, in bytes: a day of HRRR has some 5000 files of 200 bytes each.
const LONGEST: usize = 64 << 20;

/// The index pages of a place.
#[derive(Debug)]
pub struct Pages {
    client: HttpClient,
    /// With a slash at its end.
    root: Url,
    /// Of the root on its server.
    path: Path,
    /// Why they are looked at: how the server refused to list in another way.
    instead: OnceLock<String>,
    /// Whether one has been seen.
    seen: AtomicBool,
    /// Whether the server has named anything in another way.
    lists: AtomicBool,
}

impl Pages {
    /// Of the place at an address.
    ///
    /// # Errors
    /// What is no address.
    pub fn new(location: &str, client: HttpClient) -> Result<Pages, String> {
        let mut root = Url::parse(location).map_err(|error| error.to_string())?;
        root.set_query(None);
        root.set_fragment(None);
        let path = Path::from_url_path(root.path()).map_err(|error| error.to_string())?;
        let (seen, lists) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut pages = Pages { client, root, path, instead: OnceLock::new(), seen, lists };
        pages.root = pages.address("");
        Ok(pages)
    }

    /// Of the place on its server.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why pages are read instead of lists; nothing where lists have not been refused.
    pub fn instead(&self) -> Option<String> {
        self.instead.get().cloned()
    }

    /// From now on pages are read, because lists are refused.
    pub fn come_instead(&self, why: &str) {
        // Several may have been told at once, the same.
        let _ = self.instead.set(why.to_string());
    }

    /// Whether the server has shown one.
    pub fn seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Whether the server lists in another way.
    pub fn lists(&self) -> bool {
        self.lists.load(Ordering::Relaxed)
    }

    pub fn found_by_list(&self) {
        self.lists.store(true, Ordering::Relaxed);
    }

    /// Of a folder, with a slash at its end: what a page names lies below the last slash of its address.
    fn address(&self, folder: &str) -> Url {
        let mut address = self.root.clone();
        if let Ok(mut parts) = address.path_segments_mut() {
            parts.pop_if_empty().extend(folder.split('/').filter(|part| !part.is_empty())).push("");
        }
        address
    }

    /// One attempt to read the page of a folder.
    pub async fn read(&self, folder: &str) -> Result<Vec<Link>, Attempt> {
        let failed = |reason: String, again| Attempt { trouble: Trouble::Failed(reason), again };
        let address = self.address(folder);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let uri = address.as_str().parse();
        *request.uri_mut() = uri.map_err(|_| failed(format!("{address} is no address"), false))?;
        let answer = self.client.execute(request).await.map_err(|error| judged_by_cause(&error))?;
        if answer.status().as_u16() == 404 {
            return Err(Attempt { trouble: Trouble::Absent, again: false });
        }
        let mut page = Vec::new();
        let mut body = answer.into_body().bytes_stream();
        while let Some(part) = body.next().await {
            page.extend_from_slice(&part.map_err(|error| judged_by_cause(&error))?);
            if page.len() > LONGEST {
                return Err(failed(format!("it has more than {LONGEST} bytes"), false));
            }
        }
        // What is damaged on the way comes whole another time.
        let links =
            links(&String::from_utf8_lossy(&page), &address).map_err(|reason| failed(reason, true))?;
        self.seen.store(true, Ordering::Relaxed);
        Ok(links)
    }
}

#[cfg(test)]
mod tests {
    use object_store::ClientOptions;
    use object_store::client::{HttpConnector, ReqwestConnector};

    use super::*;

    #[test]
    fn a_page_lies_at_the_end_of_its_folder() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let of = |location: &str, folder: &str| {
            let client = ReqwestConnector::default().connect(&ClientOptions::new()).unwrap();
            Pages::new(location, client).unwrap().address(folder).to_string()
        };
        for location in
            ["https://x.test/pub/hrrr", "https://x.test/pub/hrrr/", "https://x.test/pub/hrrr?C=N#top"]
        {
            assert_eq!(of(location, ""), "https://x.test/pub/hrrr/");
            assert_eq!(of(location, "hrrr.20201214/conus"), "https://x.test/pub/hrrr/hrrr.20201214/conus/");
        }
        assert_eq!(of("http://x.test:8080", "a b/ü"), "http://x.test:8080/a%20b/%C3%BC/");
    }
}

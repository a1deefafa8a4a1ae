//! What lies in a folder of a server: as buckets and WebDAV list it, else off the index pages by which web servers show
//! their folders. These tell names only, and every folder has a page of its own.

use futures_util::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::index_page::Link;
use super::pages::Pages;
use super::server::{Attempt, Server, Tries, Trouble, judged};

/// The most files that are listed.
const MOST_LISTED: usize = 2_000_000;
/// The most index pages that are read for one listing, and how deep the folders of these may lie in one another.
const MOST_PAGES: usize = 10_000;
const DEEPEST: usize = 12;
/// The time of what may change at any time, for nobody tells when it did.
const ANY_TIME: i64 = u32::MAX as i64;

/// How a web server refuses that answers, by WebDAV, as if nothing were there.
const NOTHING: &str = "the server lists nothing by WebDAV (PROPFIND)";

/// The files of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Paths below the place, with lengths where they are told, in order.
    pub files: Vec<(String, Option<u64>)>,
    /// When the newest of them was written, in seconds since 1970.
    pub newest: i64,
}

impl Server {
    /// The files below a folder; none if it is not there.
    pub async fn list(&self, folder: &str) -> Result<Listing, Trouble> {
        let path = self.path(folder)?;
        let mut listing = match self.asked(|| self.below(&path)).await {
            Ok(listing) if self.lists(folder, !listing.files.is_empty()).await? => listing,
            Ok(_) => self.walked(folder, NOTHING).await?,
            Err(Trouble::NoLists(why)) => self.walked(folder, &why).await?,
            Err(other) => return Err(other),
        };
        if listing.files.len() > MOST_LISTED {
            return Err(Trouble::Failed(format!("more than {MOST_LISTED} files: name a folder within")));
        }
        listing.files.sort();
        Ok(listing)
    }

    /// The names of the folders right below a folder; none if it is not there.
    pub async fn folders(&self, folder: &str) -> Result<Listing, Trouble> {
        let path = self.path(folder)?;
        let shown =
            |links: Vec<Link>| links.into_iter().filter(|link| link.folder).map(|link| link.name).collect();
        let names: Vec<String> = match self.asked(|| self.right_below(&path)).await {
            Ok(names) if self.lists(folder, !names.is_empty()).await? => names,
            Ok(_) => shown(self.page(folder, NOTHING).await?),
            Err(Trouble::NoLists(why)) => shown(self.page(folder, &why).await?),
            Err(other) => return Err(other),
        };
        let mut files: Vec<(String, Option<u64>)> = names.into_iter().map(|name| (name, None)).collect();
        files.sort();
        // New ones may come at any time.
        Ok(Listing { files, newest: ANY_TIME })
    }

    /// Asks for a list until it comes. A web server that has once refused it is not asked again.
    async fn asked<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Trouble>
    where
        T: Default,
        F: Future<Output = Result<T, Attempt>>,
    {
        if let Some(why) = self.pages.as_ref().and_then(Pages::instead) {
            return Err(Trouble::NoLists(why));
        }
        let mut tries = Tries::default();
        loop {
            match ask().await {
                Ok(found) => return Ok(found),
                Err(Attempt { trouble: Trouble::Absent, .. }) => return Ok(T::default()),
                Err(attempt) => {
                    if let (Trouble::NoLists(why), Some(pages)) = (&attempt.trouble, &self.pages) {
                        pages.come_instead(why);
                    }
                    self.rest(&mut tries, attempt).await?;
                }
            }
        }
    }

    /// Whether what a list does not name is not there; of a web server it must be known that it lists anything, for some
    /// say of all that they do not do that it is not there.
    async fn lists(&self, folder: &str, found: bool) -> Result<bool, Trouble> {
        let Some(pages) = &self.pages else { return Ok(true) };
        if found {
            pages.found_by_list();
        }
        if pages.lists() || folder.is_empty() {
            return Ok(pages.lists());
        }
        match self.asked(|| self.right_below(&self.prefix)).await {
            Ok(names) if !names.is_empty() => pages.found_by_list(),
            Ok(_) | Err(Trouble::NoLists(_)) => {}
            Err(other) => return Err(other),
        }
        Ok(pages.lists())
    }

    /// What is below a folder, page by page; each is in time if it comes as soon as a request has to.
    async fn below(&self, path: &Path) -> Result<Listing, Attempt> {
        let _room = self.room().await?;
        let mut listing = Listing::default();
        let mut stream = self.store.list(Some(path));
        while listing.files.len() <= MOST_LISTED {
            let next = tokio::time::timeout(self.patience.request, stream.next()).await;
            let Some(meta) = next.map_err(|_| self.too_slow())? else { break };
            let meta = meta.map_err(|error| judged(&error))?;
            listing.newest = listing.newest.max(meta.last_modified.timestamp());
            if let Some(path) = self.within(&meta.location) {
                listing.files.push((path, Some(meta.size)));
            }
        }
        Ok(listing)
    }

    async fn right_below(&self, path: &Path) -> Result<Vec<String>, Attempt> {
        let found =
            async { self.store.list_with_delimiter(Some(path)).await.map_err(|error| judged(&error)) };
        let found = self.limited(found).await?;
        let folder = self.below_prefix(path);
        let name = |path: &Path| {
            let path = self.within(path)?;
            let name = path.strip_prefix(&folder)?.trim_start_matches('/');
            // WebDAV lists the folder itself too.
            (!name.is_empty() && !name.contains('/')).then(|| name.to_string())
        };
        Ok(found.common_prefixes.iter().filter_map(name).collect())
    }

    /// A path below the place, of one that was asked for.
    fn below_prefix(&self, path: &Path) -> String {
        joined(path.prefix_match(&self.prefix).into_iter().flatten())
    }

    /// A path below the place, of one that a list names: WebDAV counts from the server's root.
    fn within(&self, path: &Path) -> Option<String> {
        let root = self.pages.as_ref().map_or(&self.prefix, Pages::path);
        path.prefix_match(root).map(joined)
    }

    /// The files that the index pages of a folder and of its folders name.
    async fn walked(&self, folder: &str, why: &str) -> Result<Listing, Trouble> {
        let mut listing = Listing { newest: ANY_TIME, ..Listing::default() };
        let mut folders = vec![(folder.to_string(), 0)];
        let mut pages = 0;
        while let Some((folder, depth)) = folders.pop() {
            if pages == MOST_PAGES || depth > DEEPEST || listing.files.len() > MOST_LISTED {
                return Err(Trouble::Failed(format!(
                    "its folders are more than {MOST_PAGES}, or lie more than {DEEPEST} deep in one another, or hold more \
                     than {MOST_LISTED} files: name a folder within"
                )));
            }
            pages += 1;
            for Link { name, folder: within } in self.page(&folder, why).await? {
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                match within {
                    true => folders.push((path, depth + 1)),
                    false => listing.files.push((path, None)),
                }
            }
        }
        Ok(listing)
    }

    /// What the index page of a folder names; nothing if it is not there, which is known of servers only that show such
    /// pages.
    async fn page(&self, folder: &str, why: &str) -> Result<Vec<Link>, Trouble> {
        let Some(pages) = &self.pages else { return Err(Trouble::NoLists(why.to_string())) };
        if let Some(links) = self.shown(pages, folder, why).await? {
            return Ok(links);
        }
        if pages.seen() || (!folder.is_empty() && self.shown(pages, "", why).await?.is_some()) {
            return Ok(Vec::new());
        }
        Err(Trouble::NoLists(format!(
            "its folders cannot be listed: {why}, and it shows no index page of them (buckets can be listed, and servers \
             that do either)"
        )))
    }

    /// The links of an index page; nothing if it is not there.
    async fn shown(&self, pages: &Pages, folder: &str, why: &str) -> Result<Option<Vec<Link>>, Trouble> {
        let told = |trouble| match trouble {
            Trouble::Failed(reason) => {
                Trouble::Failed(format!("it cannot be listed: {why}, and of its index page: {reason}"))
            }
            other => other,
        };
        let mut tries = Tries::default();
        loop {
            match self.limited(pages.read(folder)).await {
                Ok(links) => {
                    pages.come_instead(why);
                    return Ok(Some(links));
                }
                Err(Attempt { trouble: Trouble::Absent, .. }) => return Ok(None),
                Err(attempt) => self.rest(&mut tries, attempt).await.map_err(told)?,
            }
        }
    }
}

fn joined<'a>(parts: impl Iterator<Item = object_store::path::PathPart<'a>>) -> String {
    parts.map(|part| part.as_ref().to_string()).collect::<Vec<_>>().join("/")
}

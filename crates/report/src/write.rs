//! Writing the page and its plots beside the records that they are drawn from.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::{Error, page, read};

/// Draws the page of the run folder `folder` and returns its path, `index.html`.
///
/// `plots/` gets one SVG for each workload and parameter; the page holds them too, so that it
/// can be sent on alone. Every file is written under another name and renamed, so a reader
/// never sees half a page; nothing else in the folder is touched. The same records give the
/// same bytes.
///
/// # Errors
///
/// Those of [`read`], and when a file cannot be written.
///
/// ```no_run
/// let page = report::write("results/latest".as_ref())?;
/// println!("{}", page.display());
/// # Ok::<(), report::Error>(())
/// ```
pub fn write(folder: &Path) -> Result<PathBuf, Error> {
    let records = read(folder)?;
    let path = folder.join("index.html");
    let drawn = match page::draw(&records) {
        Ok(drawn) => drawn,
        Err(source) => return Err(Error::Page { path, source }),
    };
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).map_err(|source| Error::Write { path: plots.clone(), source })?;
    for (slug, svg) in &drawn.plots {
        replace(&plots, &format!("{slug}.svg"), svg)?;
    }
    replace(folder, "index.html", &drawn.html)?;
    Ok(path)
}

/// Puts `text` into the file `name` of `folder` at one stroke.
fn replace(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    // A temporary file is readable by its owner alone; results are there to be read.
    #[cfg(unix)]
    let permissions = {
        use std::os::unix::fs::PermissionsExt as _;
        fs::Permissions::from_mode(0o644)
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".drawing-");
    #[cfg(unix)]
    builder.permissions(permissions);
    builder
        .tempfile_in(folder)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        })
        .map_err(|source| Error::Write { path, source })
}

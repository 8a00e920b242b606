//! `htrail explain` and `htrail show`: one verdict, one handle.

use clap::ColorChoice;
use handle_diagnosis::Layout;

use crate::capture_report::Evidence;
use crate::cli::{ExplainOptions, ShowOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::output;

/// Says what a verdict means.
pub(crate) fn explain(options: &ExplainOptions) -> Result<Exit, Error> {
    let layout = Layout::new(output::width(options.width)).ascii(output::ascii(false));
    output::write(&handle_diagnosis::explain(options.id, &layout), ColorChoice::Auto)?;
    Ok(Exit::Clean)
}

/// Shows one handle of a capture.
pub(crate) fn show(options: &ShowOptions) -> Result<Exit, Error> {
    let evidence = Evidence::read(&options.capture, &[])?;
    let layout = Layout::new(output::width(options.width)).ascii(output::ascii(false));
    let unknown = || Error::UnknownHandle { path: options.capture.clone(), handle: options.handle };
    let text = handle_diagnosis::show(&evidence.case(), options.handle, &layout).ok_or_else(unknown)?;
    output::write(&text, ColorChoice::Auto)?;
    Ok(Exit::Clean)
}

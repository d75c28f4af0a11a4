//! Problems of a configuration, with the source line and a caret.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity};
use orch::{
    config::{Diagnostic, Diagnostics, Severity as Found, load::SourceFile},
    ux::text::printable,
};

/// All of them, one after the other, as text for a terminal or a pipe.
pub(crate) fn diagnostics(found: &Diagnostics, files: &[SourceFile]) -> String {
    let theme =
        if console::colors_enabled_stderr() { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    found.iter().map(|diagnostic| render(&handler, diagnostic, files)).collect()
}

fn render(handler: &GraphicalReportHandler, diagnostic: &Diagnostic, files: &[SourceFile]) -> String {
    let mut report = MietteDiagnostic::new(message(diagnostic)).with_code(diagnostic.code);
    report = report.with_severity(match diagnostic.severity {
        Found::Error => Severity::Error,
        Found::Warning => Severity::Warning,
    });
    if let Some(help) = &diagnostic.help {
        report = report.with_help(printable(help));
    }
    let source = files.iter().find(|file| file.path == diagnostic.file);
    let error = match (&diagnostic.span, source) {
        (Some(span), Some(source)) => {
            let name = source
                .path
                .as_ref()
                .map_or_else(|| "given values".to_owned(), |path| path.display().to_string());
            let place = diagnostic.path.as_deref().map_or_else(|| "here".to_owned(), printable);
            let label = LabeledSpan::at(span.clone(), place);
            miette::Report::from(report.with_label(label))
                .with_source_code(NamedSource::new(printable(&name), blanked(&source.text)))
        }
        _ => miette::Report::from(report),
    };
    let mut text = String::new();
    match handler.render_report(&mut text, error.as_ref()) {
        Ok(()) => text,
        Err(_) => printable(&format!("{diagnostic}\n")),
    }
}

/// The place belongs to the message only where no source excerpt shows it.
fn message(diagnostic: &Diagnostic) -> String {
    printable(&match (&diagnostic.span, &diagnostic.file) {
        (None, Some(file)) => format!("{}: {}", file.display(), diagnostic.message),
        _ => diagnostic.message.clone(),
    })
}

/// A source text with blanks for what could steer a terminal, byte for byte, so that every place in it stays right.
fn blanked(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for char in source.chars() {
        if printable(char.encode_utf8(&mut [0; 4])).is_empty() {
            text.extend(std::iter::repeat_n(' ', char.len_utf8()));
        } else {
            text.push(char);
        }
    }
    text
}

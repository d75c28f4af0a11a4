//! `orch dashboard` and `orch workers`: everything in this project at a glance.

use std::{io::Write as _, time::Duration};

use console::Term;
use orch::{
    Orchestrator,
    ux::{
        page::{Layout, cut},
        view::dashboard::Dashboard,
    },
};
use serde_json::Value;

use super::{layout, print, print_json, print_page};
use crate::{
    args::DashboardArgs,
    exit::{Exit, Failure},
    project::Project,
};

/// How often `--watch` looks: another process may be driving the runs.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn workers(project: &Project, json: bool) -> Result<Exit, Failure> {
    let workers = project.reader().await?.workers().await?;
    if json {
        print_json(&workers)?
    } else {
        print_page(&workers.page())?
    }
    Ok(Exit::Success)
}

pub(crate) async fn dashboard(project: &Project, args: &DashboardArgs, json: bool) -> Result<Exit, Failure> {
    let reader = project.reader().await?;
    if !args.watch {
        let dashboard = reader.dashboard(args.ended).await?;
        if json {
            print_json(&dashboard)?
        } else {
            print_page(&dashboard.page())?
        }
        return Ok(Exit::Success);
    }
    tokio::select! {
        ended = watch(&reader, args.ended, json) => ended.map(|never| match never {}),
        interrupt = tokio::signal::ctrl_c() => {
            interrupt?;
            Ok(Exit::Success)
        }
    }
}

async fn watch(reader: &Orchestrator, ended: usize, json: bool) -> Result<std::convert::Infallible, Failure> {
    let screen = Screen::open(json);
    let mut shown = None;
    loop {
        let dashboard = reader.dashboard(ended).await?;
        match &screen {
            // The clock moves on even where nothing else does.
            Some(screen) => screen.show(&dashboard.page().text(layout()))?,
            None => {
                let news = without_clock(&dashboard)?;
                if shown.as_ref() != Some(&news) {
                    shown = Some(news);
                    if json {
                        print_json(&dashboard)?
                    } else {
                        print(&dashboard.page().text(Layout::endless()))?
                    }
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What has to change for the dashboard to be news.
fn without_clock(dashboard: &Dashboard) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(dashboard).map_err(std::io::Error::from)?;
    value["at"] = Value::Null;
    Ok(value)
}

/// A terminal that is written over and over, and left as it was.
struct Screen {
    terminal: Term,
}

impl Screen {
    /// The terminal on stdout, if there is one and people read it.
    fn open(json: bool) -> Option<Self> {
        let terminal = Term::stdout();
        if json || !terminal.is_term() {
            return None;
        }
        let mut out = std::io::stdout().lock();
        // The alternate screen, so that what stood there comes back at the end; without the cursor.
        drop(write!(out, "\u{1b}[?1049h\u{1b}[?25l"));
        drop(out.flush());
        Some(Self { terminal })
    }

    /// As much of the page as fits; what does not is named.
    fn show(&self, page: &str) -> std::io::Result<()> {
        let (rows, columns) = self.terminal.size();
        let (rows, columns) = (usize::from(rows).max(2), usize::from(columns));
        let lines: Vec<&str> = page.lines().collect();
        let mut text = String::from("\u{1b}[H");
        let fits = if lines.len() < rows { lines.len() } else { rows - 2 };
        for line in &lines[..fits] {
            text.push_str(&format!("{}\u{1b}[K\r\n", cut(line, columns)));
        }
        if fits < lines.len() {
            text.push_str(&format!("… {} more lines\u{1b}[K\r\n", lines.len() - fits));
        }
        text.push_str(&cut("ctrl-c to leave", columns));
        text.push_str("\u{1b}[K\u{1b}[J");
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = std::io::stdout().lock();
        drop(write!(out, "\u{1b}[?25h\u{1b}[?1049l"));
        drop(out.flush());
    }
}

//! Where output goes, and how it looks there.

use std::io::{IsTerminal, Write};

use super::args::ColorWhen;
use crate::report::escape;

/// What is known of the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    colour_out: bool,
    colour_err: bool,
    interactive: bool,
    verbose: u8,
}

impl Terminal {
    /// Looks at the terminal once.
    pub fn new(when: ColorWhen, verbose: u8) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = |is_terminal: bool| match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => is_terminal && !plain,
        };
        Self {
            colour_out: colour(std::io::stdout().is_terminal()),
            colour_err: colour(std::io::stderr().is_terminal()),
            interactive: std::io::stdout().is_terminal(),
            verbose,
        }
    }

    /// Sends traces to standard error: warnings, or more with `-vv`, or what `EVENKEEL_LOG` says.
    pub fn start_tracing(&self) {
        let default = match self.verbose {
            0 | 1 => "warn",
            2 => "evenkeel=info",
            _ => "evenkeel=debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("EVENKEEL_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
        // A second start in one process keeps the first, which is what tests want.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(self.colour_err)
            .try_init();
    }

    /// How text output is drawn; live content is shown on a person's own terminal, or where it is asked for.
    pub fn style(&self, show_content: bool) -> crate::report::Style {
        crate::report::Style {
            colour: self.colour_out,
            show_content: show_content || self.interactive,
            verbose: self.verbose > 0,
            width: 0,
        }
    }

    /// The same terminal, on which content may be shown.
    pub fn showing_content(&self) -> Self {
        Self {
            interactive: true,
            ..*self
        }
    }

    /// The same terminal, on which nothing is cut short.
    pub fn all_shown(&self) -> Self {
        Self {
            verbose: self.verbose.max(1),
            ..*self
        }
    }

    /// Whether standard output is a person's terminal.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Whether a person watches standard error.
    pub fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Whether more than usual was asked for.
    pub fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Whether errors may be coloured.
    pub fn colour_on_stderr(&self) -> bool {
        self.colour_err
    }

    /// Whether results may be coloured.
    pub fn colour_on_stdout(&self) -> bool {
        self.colour_out
    }

    /// Writes a result to standard output. A reader that went away ends nothing half done, so its error is ignored.
    pub fn out(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// Writes a remark to standard error.
    pub fn note(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = err.write_all(b"\n");
        }
    }

    /// Writes an error with its hint to standard error.
    pub fn error(&self, message: &str, hint: Option<&str>) {
        let (red, bold, off) = match self.colour_err {
            true => ("\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m"),
            false => ("", "", ""),
        };
        self.note(&format!("{red}error:{off} {}", escape::terminal(message)));
        if let Some(hint) = hint {
            self.note(&format!("{bold}hint:{off} {}", escape::terminal(hint)));
        }
    }
}

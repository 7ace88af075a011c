//! One line for each finding.

use std::io::{self, Write};

use crate::style::{BOLD, severity_name, severity_style};
use crate::{Report, full};

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings {
        let style = severity_style(finding.severity);
        writeln!(
            out,
            "{BOLD}{}{BOLD:#}: {style}{}[{}]{style:#}: {}",
            finding.location,
            severity_name(finding.severity),
            finding.rule,
            finding.message
        )?;
    }
    full::write_summary(report, out)
}

//! JUnit XML: one test suite for each file with findings, one failed test for each finding.

use std::io::{self, Write};

use pyward_findings::Finding;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::Report;
use crate::style::severity_name;

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let total = report.findings.len().to_string();
    // A file without findings would make thousands of empty suites; one passed test stands for them.
    let tests = report.findings.len().max(1).to_string();
    xml.create_element("testsuites")
        .with_attribute(("name", "pyward"))
        .with_attribute(("tests", tests.as_str()))
        .with_attribute(("failures", total.as_str()))
        .write_inner_content(|xml| {
            if report.findings.is_empty() {
                xml.create_element("testsuite")
                    .with_attribute(("name", "pyward"))
                    .with_attribute(("tests", "1"))
                    .with_attribute(("failures", "0"))
                    .write_inner_content(|xml| {
                        xml.create_element("testcase")
                            .with_attribute(("name", "no findings"))
                            .with_attribute(("classname", "pyward"))
                            .write_empty()?;
                        Ok(())
                    })?;
            }
            for group in report
                .findings
                .chunk_by(|a, b| a.location.file == b.location.file)
            {
                suite(xml, group)?;
            }
            Ok(())
        })?;
    out.write_all(&xml.into_inner())?;
    writeln!(out)
}

fn suite(xml: &mut Writer<Vec<u8>>, group: &[Finding]) -> io::Result<()> {
    let number = group.len().to_string();
    let file = &*group[0].location.file;
    xml.create_element("testsuite")
        .with_attribute(("name", file))
        .with_attribute(("tests", number.as_str()))
        .with_attribute(("failures", number.as_str()))
        .write_inner_content(|xml| {
            for finding in group {
                case(xml, finding)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn case(xml: &mut Writer<Vec<u8>>, finding: &Finding) -> io::Result<()> {
    let name = format!("{} at {}", finding.rule, finding.location);
    let line = finding.location.line.to_string();
    let mut details = format!("{}: {}\n", finding.location, finding.message);
    for (index, step) in finding.trace.iter().enumerate() {
        details.push_str(&format!(
            "{}. {}: {}\n",
            index + 1,
            step.location,
            step.text
        ));
    }
    details.push_str(&format!("help: {}\n", finding.remedy));
    xml.create_element("testcase")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("classname", finding.rule.as_str()))
        .with_attribute(("file", &*finding.location.file))
        .with_attribute(("line", line.as_str()))
        .write_inner_content(|xml| {
            xml.create_element("failure")
                .with_attribute(("type", severity_name(finding.severity)))
                .with_attribute(("message", visible(&finding.message).as_str()))
                .write_text_content(BytesText::new(&visible(&details)))?;
            Ok(())
        })?;
    Ok(())
}

/// XML 1.0 has no place for most control characters, escaped or not.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

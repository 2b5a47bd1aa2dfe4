//! The example page.

use anyhow::Result;

use crate::project::Project;
use crate::shell;
use crate::step::step;

/// Builds the page's server and runs it.
pub fn serve(project: &Project, port: u16) -> Result<()> {
    step("the page's server", || {
        shell::run(&mut project.cargo(["build", "--package", "page"]))
    })?;
    let mut server = project.cargo(["run", "--quiet", "--package", "page", "--"]);
    server.arg(project.target()?.join("guests"));
    shell::run(server.arg("--port").arg(port.to_string()))
}

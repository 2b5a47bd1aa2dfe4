//! Steadfast with its default plan.

steadfast::plan!();

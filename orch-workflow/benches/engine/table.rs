//! What was measured, what was allowed, and whether the one is within the other.

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: f64,
    /// The most that is allowed; none for a figure that only explains another.
    pub(crate) budget: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) details: String,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, budget: None, unit, details: String::new() }
    }

    pub(crate) fn within(mut self, budget: f64) -> Self {
        self.budget = Some(budget);
        self
    }

    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("{:<52} {:>10} {:>10}  {:<6} {:<6}  details", "what", "measured", "budget", "unit", "");
    for Row { what, measured, budget, unit, details } in rows {
        let verdict = match budget {
            Some(budget) if measured <= budget => "within",
            Some(_) => "ABOVE",
            None => "",
        };
        let budget = budget.map_or_else(String::new, |budget| format!("{budget:.2}"));
        println!("{what:<52} {measured:>10.2} {budget:>10}  {unit:<6} {verdict:<6}  {details}");
    }
}

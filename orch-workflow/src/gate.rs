//! What a settled attempt means for the run: the gate table.

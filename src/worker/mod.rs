//! Jobs: one handler per file, and their schedules.

//! The custom resources: what fleet asks of the operator, and what the operator answers.

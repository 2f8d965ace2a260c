//! The real servers that demo and tests run against: Postgres, a Kubernetes control plane, S3.

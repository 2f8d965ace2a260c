//! Makes a cluster's objects equal what the custom resources ask for.

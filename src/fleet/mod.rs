//! All clusters: pushes rows into custom resources, pulls their status back into rows.

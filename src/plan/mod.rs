//! What is sold: the catalogue of plans and the catalogue of Mastodon releases.

//! A real SMTP server that delivers to a page.

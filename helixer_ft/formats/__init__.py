"""The files helixer-ft reads and writes; each in one module, documented in docs/formats.md."""

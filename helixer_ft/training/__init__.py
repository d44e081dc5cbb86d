"""Fine-tuning: settings, data, the shared loop, scoring, the files of a run."""

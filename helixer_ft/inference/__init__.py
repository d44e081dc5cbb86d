"""From a model and a genome to predictions, base by base."""

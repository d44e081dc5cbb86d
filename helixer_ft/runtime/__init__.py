"""The machine, its memory, the processes of a run, and how they end."""

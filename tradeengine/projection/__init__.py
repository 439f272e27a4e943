"""Read models made from committed events and nothing else."""

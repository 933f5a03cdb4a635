"""What people do with answers that can be proved: grids of the same questions to every document."""

"""Reading inertial recordings: .mat and CSV files, MMAct's sensors, and whether a signal can be in its units."""

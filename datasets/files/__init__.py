"""Files as they lie on disks: listing folders, what a file really is, files nobody vouches for, whole files or none."""

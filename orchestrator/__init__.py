"""Decides what runs and where, and records it: launch (driver) > run (trial) > train (worker)."""

import os
import pwd

# A container's user may have no line in /etc/passwd, and MLflow and torch raise where they ask for its home or name. It
# gets the home that Docker would give it. Here, for this runs before either is imported, in every process.
try:
    pwd.getpwuid(os.getuid())
except KeyError:
    for _name, _value in {"HOME": "/", "USER": str(os.getuid()), "LOGNAME": str(os.getuid())}.items():
        os.environ.setdefault(_name, _value)

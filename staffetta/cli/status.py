"""Exit statuses: those of sysexits, so that scripts and supervisors can tell what to do."""

EX_OK = 0
EX_REFUSED = 1  # not an error: `simulate` says so of mail that would be refused
EX_DIFFERENT = 1  # as diff has it
EX_UNWELL = 1  # `doctor` found warnings
EX_SICK = 2  # `doctor` found errors
EX_USAGE = 64  # the command line is wrong
EX_DATAERR = 65  # what was given to be sent is no message
EX_NOINPUT = 66  # the id that was asked for is not there; a search that finds nothing is no failure
EX_NOUSER = 67  # a recipient does not exist
EX_UNAVAILABLE = 69  # refused for good
EX_IOERR = 74  # the disk, or what is on it; an administrator must look
EX_TEMPFAIL = 75  # not now; the same command may work later
EX_NOPERM = 77  # this user may not
EX_CONFIG = 78  # the settings are wrong; trying again does not help
INTERRUPTED = 130  # by Ctrl-C, as shells tell it

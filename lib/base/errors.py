"""What a user or a system can cause, told in one line; a traceback is for faults of our own."""


class Error(RuntimeError):
    """The base of all of them."""


class ParameterError(Error, ValueError):
    """One line a mistake: where, what is wrong, what is allowed."""


class ArtefactError(Error):
    """A file that cannot be written, or that is not what its record says."""


class LockedError(ArtefactError):
    """A folder that another process writes to."""


class DataError(Error):
    """Data that are missing, damaged or not what they should be."""


class NetworkError(Error):
    """A network that was brought, or its weights, and that cannot be used as it is."""


class TrainingError(Error):
    """A run that cannot go on."""


class StoppedError(TrainingError):
    """A run that was asked to stop, and has saved."""


class ReportError(Error):
    """A notebook that cannot become a report."""


class JobError(Error):
    """A job that failed on its machine."""

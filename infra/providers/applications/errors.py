"""What can go wrong with the Serve applications.

ServeError
  ServeUnreachableError       nothing behind the proxy answers
  ServeUnauthorizedError      Ray does not accept the token
  ServeRejectedError          Ray refuses the configuration
  ServeDeployFailedError      Ray accepted it, and an application cannot start or stay up
  ServeTimeoutError           the deadline passed
  ForeignApplicationsError    the PUT would delete what is not ours
"""


class ServeError(Exception):
    """Each message says what was found, for what, and what to type."""


class ServeUnreachableError(ServeError):
    """No whole answer: connection refused or cut, an error of the proxy, truncated JSON.

    Worth another try. `missing`: the API server says that there is no such Service. `by_ray`: Ray
    answered, with an error of its own.
    """

    def __init__(self, message: str, *, missing: bool = False, by_ray: bool = False) -> None:
        super().__init__(message)
        self.missing = missing
        self.by_ray = by_ray


class ServeUnauthorizedError(ServeError):
    """Ray answered 401 or 403. Trying again does not help."""


class ServeRejectedError(ServeError):
    """Ray answered 400 (its validation text is in the message) or another final refusal."""


class ServeDeployFailedError(ServeError):
    """An application is DEPLOY_FAILED, or stays UNHEALTHY. Ray's own message is in it."""


class ServeTimeoutError(ServeError):
    """Not every application was RUNNING in time."""


class ForeignApplicationsError(ServeError):
    """Applications are live that this resource did not make."""

"""How tests feed readers what nobody would write by hand: the same each time, nothing left behind."""

from hypothesis import HealthCheck, settings

FUZZ = settings(
    max_examples=150,
    deadline=None,  # the machine may be busy
    derandomize=True,  # a failure is there again the next time; other seeds are for long runs by hand
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

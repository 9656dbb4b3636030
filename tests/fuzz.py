"""How tests feed readers what nobody would write by hand: bounded, the same each time, nothing left behind.

`FUZZ_EXAMPLES=2000 pytest tests/` tries other and more cases, as before a release.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))

FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,  # the machine may be busy
    derandomize="FUZZ_EXAMPLES" not in os.environ,  # a failure is there again the next time
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEWER = settings(FUZZ, max_examples=EXAMPLES // 2)

"""Time for tests."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    seconds: float = 1_000

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds

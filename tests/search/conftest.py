"""What these tests share with the end-to-end tests."""

from tests.e2e.conftest import folder

__all__ = ["folder"]

"""One principal asks far too much, over real connections; another is answered all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.authorization_server import AuthorizationServer

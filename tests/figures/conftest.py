"""What these tests share with the end-to-end and the contract tests."""

from tests.contract.conftest import embedded_server, start_server
from tests.e2e.conftest import copy_shop, folder, shop

__all__ = ["copy_shop", "embedded_server", "folder", "shop", "start_server"]

"""What is said of a connection string that is none."""

from pathlib import Path

import pytest

from zava.commands.database import open_database
from zava.core.errors import SetupError
from zava.settings import DatabaseSettings, Settings


@pytest.mark.parametrize("setting", ["dsn", "admin_dsn", "writer_dsn"])
@pytest.mark.parametrize(
    "dsn", ["zava:hunter2@shop/zava", "host=shop password=hunter 2", "postgresql://zava:hunter2%zz@shop/zava"]
)
def test_a_connection_string_that_is_none_is_refused_by_its_name_and_never_shown(setting: str, dsn: str) -> None:
    database = DatabaseSettings.model_validate({"dsn": "host=nowhere", "context_key_file": Path("key"), setting: dsn})
    with pytest.raises(SetupError) as refused, open_database(Settings(database=database)):
        pass
    assert str(refused.value).startswith(f"ZAVA_DATABASE__{setting.upper()} is no connection string")
    assert "hunter" not in str(refused.value)
    assert refused.value.__suppress_context__

"""Who asks questions of the sample shop."""

from zava.demo.personas import PERSONAS
from zava.demo.stores import STORES


def test_there_is_a_manager_for_every_store_one_for_a_region_and_head_office() -> None:
    assert [persona.token for persona in PERSONAS] == [
        "demo-head-office",
        "demo-region-puget-sound",
        "demo-store-seattle",
        "demo-store-bellevue",
        "demo-store-tacoma",
        "demo-store-spokane",
        "demo-store-everett",
        "demo-store-redmond",
        "demo-store-kirkland",
        "demo-store-online",
    ]
    managed = [persona.stores for persona in PERSONAS if persona.role == "store_manager"]
    assert managed == [(store.name,) for store in STORES]


def test_only_the_regional_manager_may_not_see_who_the_customers_are() -> None:
    assert {persona.role for persona in PERSONAS if not persona.grants} == {"regional_manager"}


def test_head_office_alone_may_know_what_others_have_asked() -> None:
    assert {persona.role for persona in PERSONAS if "audit:read" in persona.grants} == {"head_office"}


def test_the_regional_manager_sees_the_stores_of_the_region() -> None:
    regional = next(persona for persona in PERSONAS if persona.role == "regional_manager")
    assert set(regional.stores) == {store.name for store in STORES if store.region == "Puget Sound"}


def test_a_persona_is_the_same_principal_in_every_sample_shop() -> None:
    assert str(PERSONAS[0].principal_id) == "a872e576-1837-53f0-9c38-ada3e1c3276e"
    assert len({persona.principal_id for persona in PERSONAS}) == len(PERSONAS)

"""Keeps the cache of answers told of the shop's state, in the background of a server."""

import asyncio
import logging

from zava.core.answer_cache import POLL_SECONDS, AnswerCache
from zava.core.errors import UnavailableError

logger = logging.getLogger(__name__)


async def keep_looking(answers: AnswerCache) -> None:
    """Looks for the version of the shop again and again, until it is cancelled. Answers are right without it."""
    fails = False
    while True:
        try:
            await answers.look()
        except UnavailableError as error:
            if not fails:
                logger.warning("Answers are worked out anew for a while: %s", error.message)
            fails = True
        else:
            if fails:
                logger.info("Answers are kept again")
            fails = False
        await asyncio.sleep(POLL_SECONDS)

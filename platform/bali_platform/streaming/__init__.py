"""Training batches on their way from workers to a trainer."""

from bali_platform.streaming.answers import answer, publish, refuse
from bali_platform.streaming.codec import Arrays, decode, encode
from bali_platform.streaming.keys import BatchKey, BatchSource
from bali_platform.streaming.recording import Recorder, ReplaySource
from bali_platform.streaming.source import InlineSource, StreamedSource

__all__ = [
    "Arrays",
    "BatchKey",
    "BatchSource",
    "InlineSource",
    "Recorder",
    "ReplaySource",
    "StreamedSource",
    "answer",
    "decode",
    "encode",
    "publish",
    "refuse",
]

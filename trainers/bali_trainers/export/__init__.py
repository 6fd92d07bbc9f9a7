"""What training leaves: a Hugging Face folder, the graph encoder beside it, and ONNX."""

from bali_trainers.export.folder import export_checkpoint, export_model
from bali_trainers.export.jobs import export_run, find_run
from bali_trainers.export.onnx import export_onnx

__all__ = ["export_checkpoint", "export_model", "export_onnx", "export_run", "find_run"]

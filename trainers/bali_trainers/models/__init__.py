"""Text and graph encoders."""

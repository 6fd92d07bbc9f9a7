"""What comes in: releases, the graph load, corpora and linking."""

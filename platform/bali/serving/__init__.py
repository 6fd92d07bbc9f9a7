"""What `bali serve` offers beside the platform's own routes."""

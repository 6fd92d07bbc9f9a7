"""``bali.retrieve`` as other libraries' retrievers; each needs the extra of its name."""

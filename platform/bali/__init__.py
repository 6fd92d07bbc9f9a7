"""The front: the `bali` command and the public Python interface; it knows all other packages."""

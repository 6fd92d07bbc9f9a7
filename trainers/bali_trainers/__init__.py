"""What is learned: encoders, objectives, the training loop, evaluation."""

"""What a network learns from: labels, the examples of an image, and several datasets as one."""

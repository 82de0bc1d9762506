"""One dense pass: a network of crops slides over the scene, and a short search follows."""

"""What a person says about an image, held against the image: what cannot be is refused, what is unlikely is said."""

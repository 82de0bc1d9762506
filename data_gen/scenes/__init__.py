"""Scenes: objects placed on a table or in a bin, the camera that looks at them, and the images that it takes."""

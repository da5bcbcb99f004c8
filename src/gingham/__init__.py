"""From a folder of images to a served classifier, with the truth about how good it is."""

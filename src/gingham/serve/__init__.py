"""The REST service: images in, predictions out, and nothing that an image or a client does takes it down.

``server`` runs it, ``app`` has its routes, ``guard`` stands in front of them, ``line`` holds what waits, ``workers``
bring images through decoding and inference, ``decoder`` is the process in which an image is decoded.
"""

"""The SDK for clients and workers: import ``Client`` and ``Worker`` from ``sigrouter.client.asyncio`` or ``.twisted``.

``core.py`` decides everything and does nothing; the two front ends do what it says. Autobahn chooses its event loop for
the whole process when it is imported, so this package imports neither front end by itself.
"""

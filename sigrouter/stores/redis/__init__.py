"""The store in Redis."""

from sigrouter.stores.redis.store import RedisStore

__all__ = ["RedisStore"]

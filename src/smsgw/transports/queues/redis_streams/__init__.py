"""The queue on Redis Streams: one stream per queue, one consumer group, every change of hands one atomic script."""

from smsgw.transports.queues.redis_streams.admin import RedisAdmin
from smsgw.transports.queues.redis_streams.consumer import RedisConsumer
from smsgw.transports.queues.redis_streams.publisher import RedisPublisher
from smsgw.transports.queues.redis_streams.server import WrongRedisError

__all__ = ["RedisAdmin", "RedisConsumer", "RedisPublisher", "WrongRedisError"]

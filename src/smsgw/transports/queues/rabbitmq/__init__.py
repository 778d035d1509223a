"""The queue on RabbitMQ (3.10 and 4.x), supervised by ourselves on plain aiormq."""

from smsgw.transports.queues.rabbitmq.admin import RabbitAdmin
from smsgw.transports.queues.rabbitmq.consumer import RabbitConsumer
from smsgw.transports.queues.rabbitmq.publisher import RabbitPublisher
from smsgw.transports.queues.rabbitmq.topology import TopologyError

__all__ = ["RabbitAdmin", "RabbitConsumer", "RabbitPublisher", "TopologyError"]

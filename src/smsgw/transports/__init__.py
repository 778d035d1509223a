"""Queues, stores and limits: the implementations of the ports that keep things."""

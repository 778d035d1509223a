"""The composition root: settings in, running roles out. The only place that knows every room."""

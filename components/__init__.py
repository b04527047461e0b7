"""The WAMP glue: one thin component for each group of procedures; they parse, call a service and answer."""

"""Share what is asked for at the same time: single-flight, micro-batching, caching, fan-out."""

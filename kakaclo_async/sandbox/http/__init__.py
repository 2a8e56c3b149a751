"""What the shop answers: a module for each area of the API, the routes, and the faults."""

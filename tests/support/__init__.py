"""What the tests share, imported as `from support.x import y`: servers, workers that die, toys, a shop to order in."""

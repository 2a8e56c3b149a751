"""Order files of shops: text, rows, what is due, orders to place."""

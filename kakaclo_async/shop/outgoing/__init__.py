"""Files that shops import: products, stock, prices, tracking numbers."""

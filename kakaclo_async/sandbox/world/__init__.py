"""What the shop has: categories and warehouses, products, stock, and the search index that trails them."""

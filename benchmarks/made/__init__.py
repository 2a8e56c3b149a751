"""What servers answer and what is measured with: pages, products, files of orders."""

"""What else speaks for a product: sales, the customers most alike, what is bought together."""

"""What is sold, under which number, and whether it may be offered."""

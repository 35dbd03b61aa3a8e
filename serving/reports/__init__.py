"""What commands show: tables, pages, plots, progress."""

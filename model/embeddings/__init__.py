"""Item vectors learnt from sequences (item2vec), and a history as a query vector."""

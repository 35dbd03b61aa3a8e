"""Item vectors searched with FAISS."""
